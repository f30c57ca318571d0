-- schema_version: Returns the version of the newest migration that succeeded.
select max(version) from _sqlx_migrations where success
