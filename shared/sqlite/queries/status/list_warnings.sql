-- list_warnings: Returns up to ?5 warnings of job ?2 of tenant ?1 after line ?3 and column ?4, in this order.
select line, column_title, row_no, code
from warnings
where tenant = ?1 and job = ?2 and (line, column_title) > (?3, ?4)
order by line, column_title
limit ?5
