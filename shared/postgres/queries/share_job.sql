-- share_job: keeps the job from being stopped or deleted until this transaction ends.
select state, stopping from jobs where tenant = $1 and id = $2 for key share
