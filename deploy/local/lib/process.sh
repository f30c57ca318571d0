# shellcheck shell=bash
# Starts, watches and stops the stack's processes.
#
# A component NAME is described by functions:
#   prepare_NAME  writes its files (optional)
#   run_NAME      becomes the server, with `detach`
#   ready_NAME    succeeds once it serves
# The workers are the components "worker-1", "worker-2", ...; they share the functions of "worker".

TIMEOUT=${MUSTER_STACK_TIMEOUT:-90}
[[ $TIMEOUT =~ ^[0-9]{1,5}$ ]] || die "MUSTER_STACK_TIMEOUT must be a number of seconds, not '$TIMEOUT'."
BOOT_ID=$(cat /proc/sys/kernel/random/boot_id)

kind_of() { if [[ $1 == worker-* ]]; then echo worker; else echo "$1"; fi; }

# Prints /proc/PID/stat from field 3 on: the state is the first of them, the session the fourth, the start time the
# twentieth. The name of the command before them may contain spaces.
stat_fields() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    echo "${stat##*) }"
}

start_time() {
    local -a fields
    read -ra fields < <(stat_fields "$1") || return 1
    [[ ${fields[0]} != [ZX] ]] || return 1
    echo "${fields[19]}"
}

record_pid() {
    echo "$2 $(start_time "$2" || echo ended) $BOOT_ID" >"$RUN_DIR/$1.pid"
}

# Prints the pid of NAME. Succeeds only if it is still the process that the stack started: the kernel may have reused
# the pid.
running_pid() {
    local pid started boot
    { read -r pid started boot <"$RUN_DIR/$1.pid"; } 2>/dev/null || return 1
    [[ $boot == "$BOOT_ID" && $(start_time "$pid") == "$started" ]] || return 1
    echo "$pid"
}

is_running() { running_pid "$1" >/dev/null; }

# Replaces the forked child with a program. Closes the caller's terminal, pipes and locks first, because the server
# outlives the caller.
detach() {
    local fd
    cd "$STACK_DIR" || exit
    for fd in "/proc/$BASHPID/fd"/*; do
        fd=${fd##*/}
        if ((fd > 2 && fd != 255)); then eval "exec $fd>&-"; fi
    done
    # The hard limit is capped: some servers allocate a table of its size, and it may be a billion.
    local files
    files=$(ulimit -Hn)
    [[ $files != unlimited && $files -le 65536 ]] || files=65536
    ulimit -Sn "$files" || true
    # --default-signal: background processes of a shell would otherwise ignore INT and QUIT.
    exec setsid env --default-signal "$@"
}

spawn() {
    local name=$1 log=$LOG_DIR/$1.log
    touch "$log"
    # The offset in the log at which the output of this run starts.
    stat -c %s "$log" >"$RUN_DIR/$name.logstart"
    "run_$(kind_of "$name")" "$name" </dev/null >>"$log" 2>&1 &
    record_pid "$name" $!
    disown $!
}

log_of_this_run() {
    [[ -e $RUN_DIR/$1.logstart ]] || return 0
    tail -c "+$(($(<"$RUN_DIR/$1.logstart") + 1))" "$LOG_DIR/$1.log"
}

# Waits until NAME is ready. Sets FAILED and FAILURE for fail_with_log.
await() {
    local name=$1 deadline=$((SECONDS + TIMEOUT))
    FAILED=$name
    while is_running "$name"; do
        if "ready_$(kind_of "$name")" "$name" && is_running "$name"; then return 0; fi
        if ((SECONDS >= deadline)); then
            FAILURE="was not ready after $TIMEOUT seconds"
            return 1
        fi
        sleep 0.1
    done
    FAILURE="ended while starting"
    return 1
}

# Starts components at the same time.
start_components() {
    local name
    for name in "$@"; do
        FAILED=$name FAILURE='could not be prepared'
        if declare -F "prepare_$(kind_of "$name")" >/dev/null; then
            "prepare_$(kind_of "$name")" "$name" || return 1
        fi
        spawn "$name"
    done
    for name in "$@"; do await "$name" || return 1; done
}

require_start() { start_components "$@" || fail_with_log; }

fail_with_log() {
    say "stack: $FAILED $FAILURE. The end of $LOG_DIR/$FAILED.log:"
    log_of_this_run "$FAILED" | tail -n 30 | sed 's/^/    /' >&2
    exit 1
}

# epmd logs nothing if its port is taken, but then another program accepts connections on it.
port_was_taken() {
    grep -qiE 'address.*in use|eaddrinuse|port_already_used' < <(log_of_this_run "$1") ||
        { [[ -n $(port "$1") ]] && ! is_running "$1" && port_is_open "$(port "$1")"; }
}

# start_on_free_ports "PORT..." COMPONENT...: starts components on new ports. Retries with other ports if another
# program takes one before the server binds it.
start_on_free_ports() {
    local ports=$1 try name
    shift
    for try in 1 2 3; do
        for name in $ports; do choose_port "$name"; done
        start_components "$@" && return
        ((try < 3)) || break
        port_was_taken "$FAILED" || break
        say "A port of $FAILED was taken by another program; trying others."
        stop_components "$@"
    done
    fail_with_log
}

# session_members PID: prints the processes of the session that PID leads, for example the workers of an nginx whose
# master was killed. The kernel does not reuse the number of a session that still has a process.
session_members() {
    local leader=$1 file pid
    local -a fields
    for file in /proc/[0-9]*/stat; do
        pid=${file#/proc/} pid=${pid%/stat}
        read -ra fields < <(stat_fields "$pid") || continue
        [[ ${fields[3]:-} == "$leader" && ${fields[0]} != [ZX] ]] && echo "$pid"
    done
    return 0
}

end_session() {
    local pid started boot
    { read -r pid started boot <"$RUN_DIR/$1.pid"; } 2>/dev/null || return 0
    [[ $boot == "$BOOT_ID" ]] || return 0
    # The pid was reused, so the session has ended.
    if [[ -e /proc/$pid ]] && ! is_running "$1"; then return 0; fi
    session_members "$pid" | while read -r pid; do
        kill -KILL "$pid" 2>/dev/null || true
    done
}

ask_to_stop() {
    local pid signal=TERM
    # On TERM, PostgreSQL would wait for its clients to disconnect.
    if [[ $1 == postgres ]]; then signal=INT; fi
    if pid=$(running_pid "$1"); then kill -"$signal" "$pid" 2>/dev/null || true; fi
}

# Asks all components to stop before it waits for each, so that they stop at the same time.
stop_components() {
    local name asked=$SECONDS deadline=$((SECONDS + 60))
    for name in "$@"; do ask_to_stop "$name"; done
    for name in "$@"; do
        while is_running "$name" && ((SECONDS < deadline)); do
            sleep 0.05
            # The Erlang virtual machine ignores the signal while it boots.
            if [[ $name == rabbitmq ]] && ((SECONDS > asked)); then
                asked=$SECONDS
                ask_to_stop "$name"
            fi
        done
        if is_running "$name"; then say "$name did not stop within 60 seconds; killing it."; fi
        end_session "$name"
        while is_running "$name"; do sleep 0.05; done
        rm -f -- "$RUN_DIR/$name.pid"
    done
}
