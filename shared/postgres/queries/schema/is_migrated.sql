-- is_migrated: Returns whether migrations were ever run on this database.
select to_regclass('_sqlx_migrations') is not null
