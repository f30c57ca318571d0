# shellcheck shell=bash
# Messages, the state folder, secrets and quoting.

say() { printf '%s\n' "$*" >&2; }

die() {
    printf 'stack: %s\n' "$*" >&2
    exit 1
}

# The state folder holds all files of one stack. The marker file distinguishes it from other folders, which `down` must
# never remove.
STACK_MARKER=.muster-stack

set_stack_dir() {
    STACK_DIR=${MUSTER_STACK_DIR:-${TMPDIR:-/tmp}/muster-stack-$(id -u)}
    [[ $STACK_DIR == /* ]] || STACK_DIR=$PWD/$STACK_DIR
    STACK_DIR=$(realpath -m -- "$STACK_DIR")
    # The path becomes part of four kinds of configuration files and of a URL, each with its own quoting rules.
    [[ $STACK_DIR =~ ^[A-Za-z0-9/._+@:,=~-]+$ ]] ||
        die "the state folder is '$STACK_DIR', but its path may only contain letters, digits and / . _ + @ : , = ~ -; set MUSTER_STACK_DIR to another folder."
    LOG_DIR=$STACK_DIR/log RUN_DIR=$STACK_DIR/run SECRET_DIR=$STACK_DIR/secrets
}

stack_exists() { [[ -e $STACK_DIR/$STACK_MARKER ]]; }

# The folder may be in a shared /tmp, where another user could have created it.
require_ownership() {
    [[ -d $STACK_DIR && ! -L $STACK_DIR && -O $STACK_DIR ]] ||
        die "$STACK_DIR is not a folder owned by $(id -un); set MUSTER_STACK_DIR to another folder."
}

require_stack() {
    stack_exists || die "no stack in $STACK_DIR; start one with '$PROGRAM up'."
    require_ownership
}

# Only one command at a time may change a stack. The lock is on the folder itself, so that no lock file remains.
lock_stack() {
    exec {LOCK_FD}<"$STACK_DIR"
    flock -w 120 "$LOCK_FD" ||
        die "another '$PROGRAM' command has been using $STACK_DIR for two minutes; retry when it has ended."
}

create_stack_dir() {
    local mode=0700
    # As root, PostgreSQL and nginx's workers run as other users, who must be able to enter this folder. Secrets are in
    # folders that they cannot enter.
    ((EUID != 0)) || mode=0711
    mkdir -p -- "$(dirname -- "$STACK_DIR")"
    if [[ -e $STACK_DIR || -L $STACK_DIR ]]; then
        require_ownership
        [[ -z $(ls -A -- "$STACK_DIR") ]] ||
            die "$STACK_DIR contains files that do not belong to a stack; set MUSTER_STACK_DIR to a new or empty folder."
        chmod "$mode" "$STACK_DIR"
    else
        mkdir -m "$mode" -- "$STACK_DIR"
    fi
    : >"$STACK_DIR/$STACK_MARKER"
    mkdir -m 0700 "$LOG_DIR" "$RUN_DIR" "$SECRET_DIR"
}

remove_stack_dir() { rm -rf -- "$STACK_DIR"; }

# Settings for later commands, one file each.
setting() { cat -- "$RUN_DIR/$1.setting" 2>/dev/null || true; }
set_setting() { printf '%s\n' "$2" >"$RUN_DIR/$1.setting"; }

# Secrets are kept in files and in the environment of processes, because every user of the machine can read command
# lines.
create_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$SECRET_DIR/$1"; }
secret() { cat -- "$SECRET_DIR/$1"; }

# Quotes a word for a POSIX shell.
quote() { printf "'%s'" "${1//\'/\'\\\'\'}"; }
