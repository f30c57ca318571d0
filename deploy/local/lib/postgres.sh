# shellcheck shell=bash
# A private PostgreSQL.

# PostgreSQL refuses to run as root; in this case the user of its package runs it. Unlike su and sudo, setpriv replaces
# itself with the program instead of staying its parent.
as_postgres_user() {
    if ((EUID == 0)); then
        setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
    else
        "$@"
    fi
}

# Unsets the caller's PGHOST, PGOPTIONS and so on, which are meant for other servers.
without_pg_variables() { unset "${!PG@}"; }

prepare_postgres() {
    local dir=$STACK_DIR/postgres
    if [[ ! -e $dir/data/PG_VERSION ]]; then create_cluster "$dir"; fi
    # postgresql.conf includes this file. It is rewritten at each start, because the port may change.
    cat >"$dir/stack.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $(port postgres)
# No Unix socket: the length of its path is limited, and the state folder may have a longer one.
unix_socket_directories = ''
max_connections = 300
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 15min
# Postgres 15 or newer, built with lz4, as the packages of Debian are.
wal_compression = lz4
# Durability stays on: a user whose import was acknowledged must not be lost.
fsync = on
synchronous_commit = on
full_page_writes = on
log_destination = stderr
logging_collector = off
log_line_prefix = '%m [%p] %q%u@%d '
CONF
}

create_cluster() {
    local dir=$1 bin log=$LOG_DIR/initdb.log
    bin=$(postgres_bin_dir)
    install -d -m 0700 "$dir"
    create_secret postgres-superuser
    create_secret postgres
    (umask 077 && secret postgres-superuser >"$dir/password")
    ((EUID != 0)) || chown -R postgres: "$dir"
    as_postgres_user test -w "$dir" ||
        die "the user postgres cannot enter $dir, because a folder above it is closed to other users; set MUSTER_STACK_DIR to another folder."
    if ! (
        cd "$STACK_DIR"
        without_pg_variables
        as_postgres_user "$bin/initdb" --pgdata="$dir/data" --username=postgres --pwfile="$dir/password" \
            --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    ) >"$log" 2>&1; then
        say "stack: PostgreSQL's initdb failed:"
        tail -n 20 "$log" | sed 's/^/    /' >&2
        exit 1
    fi
    rm -f "$dir/password"
    echo "include = '$dir/stack.conf'" >>"$dir/data/postgresql.conf"
}

run_postgres() {
    local bin
    bin=$(postgres_bin_dir)
    without_pg_variables
    if ((EUID == 0)); then
        HOME=$STACK_DIR/postgres detach setpriv --reuid=postgres --regid=postgres --init-groups -- \
            "$bin/postgres" -D "$STACK_DIR/postgres/data"
    else
        detach "$bin/postgres" -D "$STACK_DIR/postgres/data"
    fi
}

ready_postgres() {
    (
        without_pg_variables
        "$(postgres_bin_dir)/pg_isready" -q -h 127.0.0.1 -p "$(port postgres)"
    )
}

# Runs SQL from standard input as the superuser.
superuser_psql() (
    without_pg_variables
    PGPASSWORD=$(secret postgres-superuser)
    export PGPASSWORD
    "$(postgres_bin_dir)/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(port postgres)" -U postgres -d postgres
)

create_database() {
    # CREATEDB, because tests create their databases from a template.
    superuser_psql <<SQL || die "could not create the database in the new PostgreSQL; see $LOG_DIR/postgres.log."
CREATE ROLE muster LOGIN CREATEDB PASSWORD '$(secret postgres)';
CREATE DATABASE muster OWNER muster;
SQL
}

postgres_url() { echo "postgres://muster:$(secret postgres)@127.0.0.1:$(port postgres)/muster"; }
