-- empty_stage: before it is used a second time in one transaction.
delete from users_stage
