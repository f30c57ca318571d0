# A private RabbitMQ, with an epmd (Erlang's name server) of its own.

run_epmd() {
    local epmd
    epmd=$(find_program epmd)
    unset "${!ERL_@}"
    detach "$epmd" -address 127.0.0.1 -port "$(port epmd)"
}

ready_epmd() { port_is_open "$(port epmd)"; }

prepare_rabbitmq() {
    local dir=$STACK_DIR/rabbitmq
    # RabbitMQ looks for it as it boots.
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

# What the node and the commands that talk to it have in common.
rabbitmq_environment() {
    local dir=$STACK_DIR/rabbitmq
    # The caller's settings are meant for other nodes; NOTIFY_SOCKET would have
    # RabbitMQ report to the service manager above the caller.
    unset "${!RABBITMQ_@}" "${!ERL_@}" NOTIFY_SOCKET
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    export HOME=$dir
    export LANG=C.UTF-8
    # It uses our epmd or fails; one it started itself would outlive the stack.
    export ERL_FLAGS='-start_epmd false'
    ERL_EPMD_PORT=$(port epmd)
    export ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
    RABBITMQ_NODENAME=muster-$(port rabbitmq)@localhost
    export RABBITMQ_NODENAME
    # Names no file: the system's settings in /etc/rabbitmq are for its service.
    export RABBITMQ_CONF_ENV_FILE=$dir/rabbitmq-env.conf
}

run_rabbitmq() {
    local dir=$STACK_DIR/rabbitmq script
    script=$(rabbitmq_script)
    rabbitmq_environment
    # The script then becomes the Erlang machine, so that its pid is the one we
    # recorded; without it, the script would stay above as a shell.
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

# RabbitMQ's own administration command, on the node of this stack.
command_rabbitmqctl() (
    require_stack
    [[ -z $(setting external-rabbitmq) ]] || die "rabbitmq is not run by this stack: MUSTER_AMQP_URL was set on 'up'."
    rabbitmq_environment
    exec "$(dirname "$(rabbitmq_script)")/rabbitmqctl" "$@"
)

# RabbitMQ listens only once it has booted; answering AMQP's greeting with a
# method frame (its first byte is 1) is then the proof.
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
