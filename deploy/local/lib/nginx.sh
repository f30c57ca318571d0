# shellcheck shell=bash
# nginx, the gateway in front of ingest and status.

NGINX_TEMPLATE=$REPOSITORY/deploy/nginx/nginx.conf.template

prepare_nginx() {
    local dir=$STACK_DIR/nginx
    # As root, nginx's workers run as another user, who must be able to enter this folder to use the temporary files.
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

# If its port is taken, nginx retries for some seconds before it exits.
ready_nginx() { owns_port "$(running_pid nginx)" "$(port nginx)"; }

gateway_url() { echo "http://127.0.0.1:$(port nginx)"; }
