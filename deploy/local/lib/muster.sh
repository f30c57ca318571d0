# shellcheck shell=bash
# Muster's own roles: ingest, status and the workers.

# Finds or builds the program.
choose_muster() {
    local program=${MUSTER_BIN:-}
    if [[ -n $program ]]; then
        program=$(command -v -- "$program") ||
            die "MUSTER_BIN is '$MUSTER_BIN', which is not an executable program."
    else
        command -v cargo >/dev/null ||
            die "cargo is not installed, so muster cannot be built; install Rust, or set MUSTER_BIN to a muster program."
        say "Building muster ..."
        (cd "$REPOSITORY" && cargo build --release --locked --bin muster) >&2 ||
            die "cargo could not build muster; see its messages above."
        program=${CARGO_TARGET_DIR:-$REPOSITORY/target}/release/muster
        # A relative path is relative to the folder in which cargo ran.
        [[ $program == /* ]] || program=$REPOSITORY/$program
        [[ -x $program ]] || die "cargo built muster, but there is no $program."
    fi
    MUSTER_PROGRAM=$(realpath -- "$program")
}

# Later commands use the same program as `up`, unless MUSTER_BIN names another one.
remember_muster() { set_setting muster-program "$MUSTER_PROGRAM"; }
muster_program() { setting muster-program; }

use_given_muster() {
    [[ -n ${MUSTER_BIN:-} ]] || return 0
    choose_muster
    remember_muster
}

# Exports the variables that every role needs. Other MUSTER_* variables of the caller are kept.
export_servers() {
    # The roles cannot all listen on the same port.
    unset MUSTER_LISTEN MUSTER_METRICS_LISTEN MUSTER_TOKEN MUSTER_WORKER_PIDS MUSTER_STACK_OWN_URLS
    MUSTER_DATABASE_URL=$(server_url postgres)
    MUSTER_AMQP_URL=$(server_url rabbitmq)
    MUSTER_REDIS_URL=$(server_url redis)
    export MUSTER_DATABASE_URL MUSTER_AMQP_URL MUSTER_REDIS_URL
    # By default the C library keeps up to eight heaps per core, which costs memory and saves no time.
    export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-2}
}

run_http_role() {
    local role=$1 program
    program=$(muster_program)
    export_servers
    MUSTER_LISTEN=127.0.0.1:$(port "$role")
    MUSTER_PUBLIC_URL=$(gateway_url)
    MUSTER_RAW_STORE=$(raw_store_url)
    # The gateway runs on this machine.
    MUSTER_TRUSTED_PROXIES=127.0.0.1
    export MUSTER_LISTEN MUSTER_PUBLIC_URL MUSTER_RAW_STORE MUSTER_TRUSTED_PROXIES
    # Status uses only the database and Redis.
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

# Runs one muster command; its standard error goes to the log.
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
    # The caller's database may have the tenant from an earlier run; if creating it failed for another reason, the next
    # command fails too.
    muster_once tenant create local >>"$LOG_DIR/setup.log" || [[ -n $(setting external-postgres) ]] ||
        fail_setup tenant create local
    token=$(muster_once token create --tenant local) || fail_setup token create --tenant local
    [[ -n $token && $token != *[[:space:]]* ]] ||
        die "'muster token create' did not print the token alone on one line."
    printf '%s' "$token" >"$SECRET_DIR/token"
}

# Prints all workers that were started, including dead ones.
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

# Starts or stops workers until the given number is running.
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
