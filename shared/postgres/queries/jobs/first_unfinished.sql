-- first_unfinished: Returns the first unfinished job of tenant $1, the only one that may run; null if all are final.
select min(id) from jobs where tenant = $1 and state in ('PENDING', 'PROCESSING')
