# Messages, the state folder, secrets and quoting.

say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'stack: %s\n' "$*" >&2
    exit 1
}

# The folder that holds everything of one stack. The marker file tells it from
# a folder of the caller's, which `down` must never remove.
STACK_MARKER=.muster-stack

set_stack_dir() {
    STACK_DIR=${MUSTER_STACK_DIR:-${TMPDIR:-/tmp}/muster-stack-$(id -u)}
    [[ $STACK_DIR == /* ]] || STACK_DIR=$PWD/$STACK_DIR
    STACK_DIR=$(realpath -m -- "$STACK_DIR")
    # The path goes into four kinds of configuration file and an address, each
    # with its own rules of quoting.
    [[ $STACK_DIR =~ ^[A-Za-z0-9/._+@:,=~-]+$ ]] ||
        die "the state folder is '$STACK_DIR', but its path may only have letters, digits and / . _ + @ : , = ~ -; set MUSTER_STACK_DIR to another one."
    LOG_DIR=$STACK_DIR/log RUN_DIR=$STACK_DIR/run SECRET_DIR=$STACK_DIR/secrets
}

stack_exists() { [[ -e $STACK_DIR/$STACK_MARKER ]]; }

# The folder may lie in a shared /tmp, where somebody else could have made it.
require_ownership() {
    [[ -d $STACK_DIR && ! -L $STACK_DIR && -O $STACK_DIR ]] ||
        die "$STACK_DIR is not a folder of the user $(id -un); set MUSTER_STACK_DIR to another one."
}

require_stack() {
    stack_exists || die "no stack in $STACK_DIR; start one with '$PROGRAM up'."
    require_ownership
}

# One command at a time changes a stack. The folder itself is locked, so that
# no lock file outlives it.
lock_stack() {
    exec {LOCK_FD}<"$STACK_DIR"
    flock -w 120 "$LOCK_FD" ||
        die "another '$PROGRAM' command has been at work on $STACK_DIR for two minutes; try again when it has ended."
}

create_stack_dir() {
    local mode=0700
    # As root, PostgreSQL and nginx's workers run as other users and have to
    # pass through; what is secret lies in folders closed to them.
    ((EUID != 0)) || mode=0711
    mkdir -p -- "$(dirname -- "$STACK_DIR")"
    if [[ -e $STACK_DIR || -L $STACK_DIR ]]; then
        require_ownership
        [[ -z $(ls -A -- "$STACK_DIR") ]] ||
            die "$STACK_DIR holds files that are not of a stack; set MUSTER_STACK_DIR to a new or empty folder."
        chmod "$mode" "$STACK_DIR"
    else
        mkdir -m "$mode" -- "$STACK_DIR"
    fi
    : >"$STACK_DIR/$STACK_MARKER"
    mkdir -m 0700 "$LOG_DIR" "$RUN_DIR" "$SECRET_DIR"
}

remove_stack_dir() { rm -rf -- "$STACK_DIR"; }

# Settings that later commands need again, one small file each.
setting() { cat -- "$RUN_DIR/$1.setting" 2>/dev/null || true; }
set_setting() { printf '%s\n' "$2" >"$RUN_DIR/$1.setting"; }

# Secrets stay in files and in the environment of processes: a command line
# can be read by every user of the machine.
create_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$SECRET_DIR/$1"; }
secret() { cat -- "$SECRET_DIR/$1"; }

# Quotes a word for any POSIX shell.
quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
