-- waiting_rows: Returns the waiting row of job ?2 of tenant ?1 with the line ?3. Differs from Postgres, which reads
-- many rows at once: here a lookup is a call in the same process.
select row from waiting where tenant = ?1 and job = ?2 and line = ?3
