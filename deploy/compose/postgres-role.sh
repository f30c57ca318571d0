# shellcheck shell=bash
# Sourced by the Postgres image on its first start: the role of Muster, which is no superuser, and
# its database.
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$DATABASE_PASSWORD" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE muster LOGIN PASSWORD :'password';
CREATE DATABASE muster OWNER muster;
SQL
