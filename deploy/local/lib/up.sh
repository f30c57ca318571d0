# shellcheck shell=bash
# The command `up`.

command_up() {
    local workers=1 mode=full wanted
    while (($#)); do
        case $1 in
            --workers) (($# > 1)) || usage_error "--workers needs a number."; workers=$2; shift ;;
            --workers=*) workers=${1#*=} ;;
            --servers-only) mode=servers-only ;;
            *) usage_error "'up' has no option '$1'." ;;
        esac
        shift
    done
    require_count "$workers"
    [[ $(uname -s) == Linux ]] || die "the stack runs on Linux only; this machine runs $(uname -s)."

    remove_dead_stack
    check_given_servers
    mapfile -t wanted < <(for server in "${SERVERS[@]}"; do
        [[ -n $(given_url "$server") ]] || echo "$server"
    done)
    [[ $mode != full ]] || wanted+=(nginx)
    ensure_packages "${wanted[@]}"
    [[ $mode != full ]] || choose_muster

    create_stack_dir
    trap 'trap - EXIT; trap "" INT TERM HUP; say "Stopping what was started ..."; end_everything' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    lock_stack
    set_setting mode "$mode"
    remember_given_servers
    start_servers
    if [[ $mode == full ]]; then start_muster "$workers"; fi
    write_env
    trap - EXIT INT TERM HUP
    report
}

# Refuses to replace a running stack. Removes the files of a stack of which nothing runs any more, for example after a
# restart of the machine.
remove_dead_stack() {
    local name
    stack_exists || return 0
    require_ownership
    lock_stack
    stack_exists || return 0
    for name in "$RUN_DIR"/*.pid; do
        if is_running "$(basename "$name" .pid)"; then
            die "a stack is already running in $STACK_DIR. See '$PROGRAM status'; change the number of workers with '$PROGRAM workers N', or stop it with '$PROGRAM down' first."
        fi
    done
    say "Removing the files of an earlier stack in $STACK_DIR."
    end_everything
    exec {LOCK_FD}<&-
}

start_muster() {
    remember_muster
    say "Preparing the database ..."
    migrate
    create_token
    say "Starting ingest, status, nginx and $1 worker(s) ..."
    start_on_free_ports "nginx ingest status" ingest status nginx
    scale_workers "$1"
}

report() {
    if [[ $(setting mode) == full ]]; then
        echo "URL:      $(gateway_url)"
        echo "Token:    $(secret token)"
    else
        echo "The servers are running."
    fi
    echo "For a shell:  eval \"\$($PROGRAM env)\""
}
