-- find_keyed_job: the job of a tenant with this key, and whether its file is the same and read in the same way.
select id, raw_sha256 = $3 and raw_encoding = $4 and dialect = $5 and handling = $6
from jobs
where tenant = $1 and idempotency_key = $2
