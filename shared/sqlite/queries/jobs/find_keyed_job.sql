-- find_keyed_job: Returns the job of tenant ?1 with idempotency key ?2, and whether its stored upload (?3, ?4), dialect
-- (?5) and handling (?6) are the same as those of the new upload.
select id, raw_sha256 = ?3 and raw_encoding = ?4 and dialect = ?5 and handling = ?6 as is_same
from jobs
where tenant = ?1 and idempotency_key = ?2
