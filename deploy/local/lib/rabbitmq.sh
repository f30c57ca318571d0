# shellcheck shell=bash
# A private RabbitMQ, with its own epmd (Erlang's name server).

run_epmd() {
    local epmd
    epmd=$(find_program epmd)
    unset "${!ERL_@}"
    detach "$epmd" -address 127.0.0.1 -port "$(port epmd)"
}

ready_epmd() { port_is_open "$(port epmd)"; }

prepare_rabbitmq() {
    local dir=$STACK_DIR/rabbitmq
    # RabbitMQ needs epmd while it boots.
    await epmd || return 1
    install -d -m 0700 "$dir"
    if [[ ! -e $dir/.erlang.cookie ]]; then
        create_secret rabbitmq
        create_secret rabbitmq-cookie
        secret rabbitmq-cookie >"$dir/.erlang.cookie"
        chmod 0400 "$dir/.erlang.cookie"
    fi
    echo '[].' >"$dir/enabled_plugins"
    (
        umask 077
        cat >"$dir/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$(port rabbitmq)
default_user = muster
default_pass = $(secret rabbitmq)
raft.wal_max_size_bytes = 67108864
disk_free_limit.absolute = 1GB
vm_memory_high_watermark.relative = 0.4
log.console = true
log.console.level = info
CONF
    )
}

# Sets the environment that the node and its administration commands share.
rabbitmq_environment() {
    local dir=$STACK_DIR/rabbitmq
    # The caller's settings are meant for other nodes. With NOTIFY_SOCKET, RabbitMQ would report to the service manager
    # of the caller.
    unset "${!RABBITMQ_@}" "${!ERL_@}" NOTIFY_SOCKET
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    export HOME=$dir
    export LANG=C.UTF-8
    # RabbitMQ must use the stack's epmd; an epmd that it starts itself would outlive the stack.
    export ERL_FLAGS='-start_epmd false'
    ERL_EPMD_PORT=$(port epmd)
    export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
    RABBITMQ_NODENAME=muster-$(port rabbitmq)@localhost
    export RABBITMQ_NODENAME
    # This file does not exist: the settings in /etc/rabbitmq are for the system's service.
    export RABBITMQ_CONF_ENV_FILE=$dir/rabbitmq-env.conf
}

run_rabbitmq() {
    local dir=$STACK_DIR/rabbitmq script
    script=$(rabbitmq_script)
    rabbitmq_environment
    # Makes the script replace itself with the Erlang virtual machine, so that the recorded pid is correct. Otherwise
    # the script would stay its parent.
    export RUNNING_UNDER_SYSTEMD=true
    RABBITMQ_DIST_PORT=$(port rabbitmq-dist)
    export RABBITMQ_DIST_PORT
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
    export RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf
    export RABBITMQ_ADVANCED_CONFIG_FILE=$dir/advanced.config
    export RABBITMQ_GENERATED_CONFIG_DIR=$dir/config
    export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
    export RABBITMQ_MNESIA_BASE=$dir/mnesia
    export RABBITMQ_LOG_BASE=$dir/log
    export RABBITMQ_LOGS=-
    export RABBITMQ_PID_FILE=$dir/rabbitmq.pid
    detach "$script"
}

# Runs RabbitMQ's own administration command on the node of this stack.
command_rabbitmqctl() (
    require_stack
    [[ -z $(setting external-rabbitmq) ]] || die "rabbitmq is not run by this stack: MUSTER_AMQP_URL was set for 'up'."
    rabbitmq_environment
    exec "$(dirname "$(rabbitmq_script)")/rabbitmqctl" "$@"
)

# Sends an AMQP protocol header. A booted RabbitMQ replies with a method frame, whose first byte is 1.
ready_rabbitmq() {
    local byte=
    {
        exec 3<>"/dev/tcp/127.0.0.1/$(port rabbitmq)" &&
            printf 'AMQP\0\0\11\1' >&3 &&
            IFS= read -r -t 5 -N 1 byte <&3
        exec 3>&-
    } 2>/dev/null
    [[ $byte == $'\1' ]]
}

rabbitmq_url() { echo "amqp://muster:$(secret rabbitmq)@127.0.0.1:$(port rabbitmq)/%2f"; }
