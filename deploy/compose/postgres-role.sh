# shellcheck shell=bash
# The Postgres image sources this file at its first start. It creates Muster's role, which is not a superuser, and
# Muster's database.
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$DATABASE_PASSWORD" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE muster LOGIN PASSWORD :'password';
CREATE DATABASE muster OWNER muster;
SQL
