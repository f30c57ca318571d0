# nginx, the gateway in front of ingest and status.

NGINX_TEMPLATE=$REPOSITORY/deploy/nginx/nginx.conf.template

prepare_nginx() {
    local dir=$STACK_DIR/nginx
    # nginx's workers, as root those of another user, pass through to the
    # folders of temporary files.
    mkdir -p "$dir"
    chmod 0711 "$dir"
    sed -e "s|@LISTEN@|127.0.0.1:$(port nginx)|g" \
        -e "s|@INGEST_UPSTREAM@|127.0.0.1:$(port ingest)|g" \
        -e "s|@STATUS_UPSTREAM@|127.0.0.1:$(port status)|g" \
        -e "s|@RESOLVER@||g" \
        -e "s|@STATE_DIR@|$dir|g" \
        -e "s|@ACCESS_LOG@|$LOG_DIR/nginx-access.log|g" \
        -e "s|@ERROR_LOG@|stderr|g" \
        "$NGINX_TEMPLATE" >"$dir/nginx.conf"
}

run_nginx() {
    local nginx
    nginx=$(find_program nginx)
    detach "$nginx" -p "$STACK_DIR/nginx" -c "$STACK_DIR/nginx/nginx.conf" -e stderr
}

# When its port is taken nginx does not end at once but tries for seconds.
ready_nginx() { owns_port "$(running_pid nginx)" "$(port nginx)"; }

gateway_url() { echo "http://127.0.0.1:$(port nginx)"; }
