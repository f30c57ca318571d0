-- clear_stage: Deletes all rows of the stage, before its second use in one transaction.
delete from users_stage
