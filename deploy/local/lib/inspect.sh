# shellcheck shell=bash
# The commands that change nothing: logs, status and env.

command_logs() {
    (($# <= 1)) || usage_error "'logs' takes at most one name."
    require_stack
    local files=()
    case ${1:-} in
        '') files=("$LOG_DIR"/*.log) ;;
        worker) files=("$LOG_DIR"/worker-*.log) ;;
        */*) usage_error "'$1' is not the name of a component." ;;
        *) files=("$LOG_DIR/$1.log") ;;
    esac
    [[ -e ${files[0]} ]] ||
        die "there is no log of '$1'. Logs: $(cd "$LOG_DIR" && printf '%s ' *.log | sed 's/\.log//g')"
    if [[ -n ${1:-} ]]; then tail -n 200 -- "${files[@]}"; else tail -n 20 -- "${files[@]}"; fi
}

command_status() {
    require_stack
    local name pid number all_run=0
    for name in "${SERVERS[@]}"; do
        if [[ -n $(setting "external-$name") ]]; then printf '%-12s %-9s %-7s %s\n' "$name" - - external; fi
    done
    for name in $(components); do
        number=$(port "$name")
        if pid=$(running_pid "$name"); then
            printf '%-12s %-9s %-7s %s\n' "$name" "$pid" "${number:--}" running
        else
            printf '%-12s %-9s %-7s %s\n' "$name" - "${number:--}" dead
            all_run=1
        fi
    done
    return "$all_run"
}

command_env() {
    require_stack
    [[ -e $STACK_DIR/env ]] || die "the stack in $STACK_DIR has not started yet."
    cat -- "$STACK_DIR/env"
    [[ $(setting mode) != full ]] || export_line MUSTER_WORKER_PIDS "$(worker_pids)"
}
