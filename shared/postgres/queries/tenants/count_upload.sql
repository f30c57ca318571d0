-- count_upload: Counts an upload of tenant $1 for the day, which begins at midnight UTC.
update tenants
set uploads_in_day = case when uploads_day = (now() at time zone 'utc')::date then uploads_in_day + 1 else 1 end,
    uploads_day = (now() at time zone 'utc')::date
where id = $1
