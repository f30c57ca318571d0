-- create_tenant: Inserts a tenant and returns its id; returns no row if the name is taken.
insert into tenants (
    name, short_rows, missing_users, missing_guard_percent, missing_guard_min, max_stored_bytes, max_unfinished_jobs,
    max_uploads_per_day, max_new_passwords_per_hour, charset, own_titles
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict do nothing
returning id
