# shellcheck shell=bash
# The servers together: which ones the stack runs itself, and their URLs.

SERVERS=(postgres rabbitmq redis)

variable_of() {
    case $1 in
        postgres) echo MUSTER_DATABASE_URL ;;
        rabbitmq) echo MUSTER_AMQP_URL ;;
        redis) echo MUSTER_REDIS_URL ;;
    esac
}

default_port_of() {
    case $1 in
        postgres) echo 5432 ;;
        rabbitmq) echo 5672 ;;
        redis) echo 6379 ;;
    esac
}

# Prints the URL that the caller set for a server before `up`, if any. A URL from `stack env` is ignored: after `down`
# and another `up` in the same shell, it would name a server that has stopped.
given_url() {
    local variable url
    variable=$(variable_of "$1")
    url=${!variable:-}
    [[ " ${MUSTER_STACK_OWN_URLS:-} " == *" $url "* ]] || echo "$url"
}

own_servers() {
    local server
    for server in "${SERVERS[@]}"; do
        [[ -n $(setting "external-$server") ]] || echo "$server"
    done
}

server_url() {
    local url
    url=$(setting "external-$1")
    if [[ -n $url ]]; then echo "$url"; else "${1}_url"; fi
}

check_given_servers() {
    local server url
    for server in "${SERVERS[@]}"; do
        url=$(given_url "$server")
        [[ -z $url ]] || url_answers "$url" "$(default_port_of "$server")" ||
            die "$(variable_of "$server") is set, but its host and port accept no connections. Start that server, or unset the variable to use a private one."
    done
}

# These settings contain passwords; RUN_DIR is closed to other users.
remember_given_servers() {
    local server url
    for server in "${SERVERS[@]}"; do
        url=$(given_url "$server")
        if [[ -n $url ]]; then set_setting "external-$server" "$url"; fi
    done
}

start_servers() {
    local server ports=() components=()
    # RabbitMQ starts first, because it takes longest to boot.
    for server in rabbitmq redis postgres; do
        [[ -z $(setting "external-$server") ]] || continue
        if [[ $server == rabbitmq ]]; then
            ports+=(epmd rabbitmq-dist)
            components+=(epmd)
        fi
        ports+=("$server")
        components+=("$server")
    done
    ((${#components[@]})) || return 0
    say "Starting ${components[*]} ..."
    start_on_free_ports "${ports[*]}" "${components[@]}"
    [[ -n $(setting external-postgres) ]] || create_database
}

write_env() {
    local server own=()
    for server in $(own_servers); do own+=("$(server_url "$server")"); done
    (
        umask 077
        {
            export_line MUSTER_STACK_DIR "$STACK_DIR"
            for server in "${SERVERS[@]}"; do
                export_line "$(variable_of "$server")" "$(server_url "$server")"
            done
            export_line MUSTER_STACK_OWN_URLS "${own[*]}"
            if [[ $(setting mode) == full ]]; then
                export_line MUSTER_URL "$(gateway_url)"
                export_line MUSTER_TOKEN "$(secret token)"
                export_line MUSTER_RAW_STORE "$(raw_store_url)"
            fi
        } >"$STACK_DIR/env"
    )
}

export_line() { printf 'export %s=%s\n' "$1" "$(quote "$2")"; }
