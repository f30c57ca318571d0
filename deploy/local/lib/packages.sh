# shellcheck shell=bash
# Finds the servers' programs and installs the distribution's packages.

# Prints the existing path with the highest version.
newest() {
    local path
    for path in "$@"; do if [[ -e $path ]]; then echo "$path"; fi; done | sort -V | tail -n 1
}

postgres_bin_dir() {
    local initdb
    initdb=$(newest /usr/lib/postgresql/*/bin/initdb)
    [[ -n $initdb ]] || initdb=$(command -v initdb) || return 1
    dirname "$(realpath "$initdb")"
}

# The script that the wrapper in /usr/sbin starts; the wrapper itself refuses most users.
rabbitmq_script() {
    local script
    script=$(newest /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server)
    [[ -n $script ]] && echo "$script"
}

# Some distributions do not include sbin in the PATH of ordinary users.
find_program() { PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1"; }

have_server() {
    case $1 in
        postgres) postgres_bin_dir ;;
        rabbitmq) rabbitmq_script && find_program erl && find_program epmd ;;
        redis) find_program redis-server ;;
        nginx) find_program nginx ;;
    esac >/dev/null 2>&1
}

package_of() {
    case $1 in
        postgres) echo postgresql ;;
        rabbitmq) echo rabbitmq-server ;;
        redis) echo redis-server ;;
        nginx) if package_is_known nginx-light; then echo nginx-light; else echo nginx; fi ;;
    esac
}

package_is_known() {
    [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ +[0-9] ]]
}

# ensure_packages SERVER...: checks that the servers are installed. As root, installs missing ones.
ensure_packages() {
    local server missing=() packages=()
    for server in "$@"; do have_server "$server" || missing+=("$server"); done
    ((${#missing[@]})) || return 0

    command -v apt-get >/dev/null ||
        die "not installed: ${missing[*]}. Install them with this system's package manager and run '$PROGRAM up' again."
    for server in "${missing[@]}"; do packages+=("$(package_of "$server")"); done
    if ((EUID != 0)); then
        die "not installed: ${missing[*]}. Install them with:
    sudo apt-get install --no-install-recommends ${packages[*]}"
    fi

    local log
    log=$(mktemp)
    say "Installing ${packages[*]} ..."
    if ! install_packages >"$log" 2>&1; then
        tail -n 30 "$log" | sed 's/^/    /' >&2
        rm -f "$log"
        die "could not install ${packages[*]}; see the end of apt-get's output above."
    fi
    rm -f "$log"
    for server in "${missing[@]}"; do
        have_server "$server" ||
            die "$server was not found after installing $(package_of "$server"); see 'dpkg -L $(package_of "$server")'."
    done
}

apt_install() {
    local server packages=()
    for server in "${missing[@]}"; do
        package_is_known "$(package_of "$server")" || return 1
        packages+=("$(package_of "$server")")
    done
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 "${packages[@]}" </dev/null
}

# Runs in a subshell, so that its trap undoes the temporary changes to the system in every case.
install_packages() (
    policy=/usr/sbin/policy-rc.d
    cluster_dir=/etc/postgresql-common/createcluster.d
    cluster_conf=$cluster_dir/muster-stack.conf
    made=()
    # shellcheck disable=SC2317,SC2329  # the trap calls it (SC2317: ShellCheck before 0.11)
    restore() {
        for path in "${made[@]}"; do
            if [[ -d $path ]]; then rmdir --ignore-fail-on-non-empty "$path"; else rm -f "$path"; fi
        done
    }
    trap restore EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    # The stack needs only the programs. Without these files the packages would start system services, and PostgreSQL's
    # package would create a cluster.
    if [[ ! -e $policy && ! -L $policy ]]; then
        made+=("$policy")
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    if [[ ! -e $cluster_conf ]]; then
        made+=("$cluster_conf")
        for dir in "$cluster_dir" "${cluster_dir%/*}"; do
            if [[ ! -d $dir ]]; then made+=("$dir"); fi
        done
        mkdir -p "$cluster_dir"
        echo 'create_main_cluster = false' >"$cluster_conf"
    fi

    export DEBIAN_FRONTEND=noninteractive
    apt_install || { apt-get update && apt_install; }
)
