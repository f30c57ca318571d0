# A private Redis.

prepare_redis() {
    local dir=$STACK_DIR/redis
    install -d -m 0700 "$dir"
    [[ -e $SECRET_DIR/redis ]] || create_secret redis
    # What Redis holds can all be had again, so it writes nothing to disk; and
    # it must never drop a key on its own.
    (
        umask 077
        cat >"$dir/redis.conf" <<CONF
bind 127.0.0.1
port $(port redis)
requirepass $(secret redis)
daemonize no
dir $dir
save ""
appendonly no
maxmemory-policy noeviction
CONF
    )
}

run_redis() {
    local redis
    redis=$(find_program redis-server)
    detach "$redis" "$STACK_DIR/redis/redis.conf"
}

ready_redis() {
    local auth='' pong=''
    {
        exec 3<>"/dev/tcp/127.0.0.1/$(port redis)" &&
            printf 'AUTH %s\r\nPING\r\n' "$(secret redis)" >&3 &&
            IFS= read -r -t 5 auth <&3 &&
            IFS= read -r -t 5 pong <&3
        exec 3>&-
    } 2>/dev/null
    [[ $auth == +OK* && $pong == +PONG* ]]
}

# With the name of the user, because some clients take an empty one literally.
redis_url() { echo "redis://default:$(secret redis)@127.0.0.1:$(port redis)/0"; }
