-- waiting_rows: Returns the waiting rows of job $2 of tenant $1 with the lines $3, in line order.
select row from waiting where tenant = $1 and job = $2 and line = any($3::bigint[]) order by line
