# shellcheck shell=bash
# Ports on the loopback address.

port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints the port of NAME that `up` chose.
port() { cat -- "$RUN_DIR/$1.port" 2>/dev/null || true; }

port_is_chosen() {
    local file
    for file in "$RUN_DIR"/*.port; do
        [[ -e $file && $(<"$file") == "$1" ]] && return 0
    done
    return 1
}

# Chooses a port for NAME. The range is below the one that the kernel uses for outgoing connections, so that no such
# connection can take the port later.
choose_port() {
    local candidate try
    for ((try = 0; try < 500; try++)); do
        candidate=$((20000 + RANDOM % 12000))
        if ! port_is_chosen "$candidate" && ! port_is_open "$candidate"; then
            printf '%s\n' "$candidate" >"$RUN_DIR/$1.port"
            return
        fi
    done
    die "no free port found between 20000 and 32000 on 127.0.0.1."
}

# url_answers URL DEFAULT_PORT: succeeds if the host and port of the URL accept connections, or if the URL does not name
# a single host (but the path of a socket, or a list).
url_answers() {
    local authority=${1#*://}
    authority=${authority%%[/?#]*}
    authority=${authority##*@}
    [[ $authority =~ ^([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:([0-9]+))?$ ]] || return 0
    local host=${BASH_REMATCH[1]//[\[\]]/} port=${BASH_REMATCH[3]:-$2}
    # shellcheck disable=SC2016  # the inner shell expands the variables
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' check "$host" "$port" 2>/dev/null
}

# owns_port PID PORT: succeeds if process PID, and no other, listens on the port.
owns_port() {
    local pid=$1 hex address state inode fd
    [[ -r /proc/net/tcp ]] || return 0
    printf -v hex '0100007F:%04X' "$2"
    # Fields: slot, local address, remote address, state (0A: listening), three for queues and timers, user, timeout,
    # inode.
    while read -r _ address _ state _ _ _ _ _ inode _; do
        [[ $address == "$hex" && $state == 0A ]] || continue
        for fd in "/proc/$pid/fd"/*; do
            if [[ $(readlink "$fd" 2>/dev/null) == "socket:[$inode]" ]]; then return 0; fi
        done
    done </proc/net/tcp
    return 1
}

# http_ok PORT PATH: succeeds if GET PATH on this local port returns 200.
http_ok() {
    local line=
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1" &&
            printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' "$2" >&3 &&
            IFS= read -r -t 5 line <&3 &&
            # Reads to the end; otherwise the service would log a broken connection.
            while IFS= read -r -t 5 _ <&3; do :; done
        exec 3>&-
    } 2>/dev/null
    [[ $line == HTTP/1.?\ 200* ]]
}
