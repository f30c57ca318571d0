# Muster's own roles: ingest, status and the workers.

# Finds or builds the program and remembers it for later commands.
choose_muster() {
    local program=${MUSTER_BIN:-}
    if [[ -n $program ]]; then
        program=$(command -v -- "$program") ||
            die "MUSTER_BIN is '$MUSTER_BIN', which is not a program that can be run."
    else
        command -v cargo >/dev/null ||
            die "cargo is not installed, so muster cannot be built; install Rust, or set MUSTER_BIN to a muster program."
        say "Building muster ..."
        (cd "$REPOSITORY" && cargo build --release --locked --bin muster) >&2 ||
            die "cargo could not build muster; its messages are above."
        program=${CARGO_TARGET_DIR:-$REPOSITORY/target}/release/muster
        # Relative to where cargo ran.
        [[ $program == /* ]] || program=$REPOSITORY/$program
        [[ -x $program ]] || die "cargo built muster, but there is no $program."
    fi
    MUSTER_PROGRAM=$(realpath -- "$program")
}

# Later commands use the program of `up`, unless they are given another one.
remember_muster() { set_setting muster-program "$MUSTER_PROGRAM"; }
muster_program() { setting muster-program; }

use_given_muster() {
    [[ -n ${MUSTER_BIN:-} ]] || return 0
    choose_muster
    remember_muster
}

# What every role is told. Other MUSTER_* variables of the caller pass through.
export_servers() {
    # One port for metrics cannot be that of all.
    unset MUSTER_LISTEN MUSTER_METRICS_LISTEN MUSTER_TOKEN MUSTER_WORKER_PIDS MUSTER_STACK_OWN_URLS
    MUSTER_DATABASE_URL=$(server_url postgres)
    MUSTER_AMQP_URL=$(server_url rabbitmq)
    MUSTER_REDIS_URL=$(server_url redis)
    export MUSTER_DATABASE_URL MUSTER_AMQP_URL MUSTER_REDIS_URL
    # Heaps of the C library: one for each thread would cost memory and gain no time.
    export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-2}
}

run_http_role() {
    local role=$1 program
    program=$(muster_program)
    export_servers
    MUSTER_LISTEN=127.0.0.1:$(port "$role")
    MUSTER_PUBLIC_URL=$(gateway_url)
    MUSTER_RAW_STORE=$(raw_store_url)
    export MUSTER_LISTEN MUSTER_PUBLIC_URL MUSTER_RAW_STORE
    # Status works from the database and Redis alone.
    if [[ $role == status ]]; then unset MUSTER_AMQP_URL MUSTER_RAW_STORE; fi
    detach "$program" "$role"
}

ready_http_role() {
    owns_port "$(running_pid "$1")" "$(port "$1")" && http_ok "$(port "$1")" /readyz
}

raw_store_url() { echo "file://$STACK_DIR/raw"; }

prepare_ingest() { install -d -m 0700 "$STACK_DIR/raw"; }
run_ingest() { run_http_role ingest; }
ready_ingest() { ready_http_role ingest; }

run_status() { run_http_role status; }
ready_status() { ready_http_role status; }

run_worker() {
    local program
    program=$(muster_program)
    export_servers
    detach "$program" worker
}
ready_worker() { grep -q 'worker ready' < <(log_of_this_run "$1"); }

# A one-off muster command; what it says besides its result goes to the log.
muster_once() (
    program=$(muster_program)
    export_servers
    cd "$STACK_DIR" || exit
    "$program" "$@" </dev/null 2>>"$LOG_DIR/setup.log"
)

fail_setup() {
    say "stack: 'muster $*' failed. The end of $LOG_DIR/setup.log:"
    tail -n 30 "$LOG_DIR/setup.log" | sed 's/^/    /' >&2
    exit 1
}

migrate() { muster_once migrate >>"$LOG_DIR/setup.log" || fail_setup migrate; }

create_token() {
    local token
    # In a database of the caller's the tenant may be there from an earlier
    # run; if there is none the next command fails.
    muster_once tenant create local >>"$LOG_DIR/setup.log" || [[ -n $(setting external-postgres) ]] ||
        fail_setup tenant create local
    token=$(muster_once token create --tenant local) || fail_setup token create --tenant local
    [[ -n $token && $token != *[[:space:]]* ]] ||
        die "'muster token create' was expected to print the token alone on one line, and printed something else."
    printf '%s' "$token" >"$SECRET_DIR/token"
}

# All workers started, dead ones among them.
worker_names() {
    local file
    for file in "$RUN_DIR"/worker-*.pid; do
        if [[ -e $file ]]; then basename "$file" .pid; fi
    done | sort -V
}

running_workers() {
    local name
    for name in $(worker_names); do if is_running "$name"; then echo "$name"; fi; done
}

worker_pids() {
    local name pids=()
    for name in $(running_workers); do pids+=("$(running_pid "$name")"); done
    echo "${pids[*]}"
}

# Brings the number of running workers to the one wanted.
scale_workers() {
    local wanted=$1 name number running
    set_setting workers "$wanted"
    for name in $(worker_names); do
        is_running "$name" || stop_components "$name"
    done
    mapfile -t running < <(running_workers)
    if ((${#running[@]} > wanted)); then stop_components "${running[@]:wanted}"; fi
    local fresh=()
    for ((number = 1; ${#running[@]} + ${#fresh[@]} < wanted; number++)); do
        if [[ ! -e $RUN_DIR/worker-$number.pid ]]; then fresh+=("worker-$number"); fi
    done
    require_start "${fresh[@]}"
}
