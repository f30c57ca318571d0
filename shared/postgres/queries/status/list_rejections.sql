-- list_rejections: Returns up to $4 rejections of job $2 of tenant $1 after line $3, in line order.
select line, column_title, code, message, row_no, other_id, other_line, other_blocked
from rejections
where tenant = $1 and job = $2 and line > $3
order by line
limit $4
