# shellcheck shell=bash
# A private Redis.

prepare_redis() {
    local dir=$STACK_DIR/redis
    install -d -m 0700 "$dir"
    [[ -e $SECRET_DIR/redis ]] || create_secret redis
    # The contents of Redis can be rebuilt, so it writes nothing to disk; but it must never evict a key.
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

# The URL names the user, because some clients send an empty user name instead of the default one.
redis_url() { echo "redis://default:$(secret redis)@127.0.0.1:$(port redis)/0"; }
