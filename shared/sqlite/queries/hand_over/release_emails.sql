-- release_emails: Takes the e-mail from the user ?2 of tenant ?1 who is about to get the folded e-mail ?3 instead, so
-- that another can take it. Its text stays until the row is applied, which may warn of the change.
update users set email_key = null where tenant = ?1 and id = ?2 and email_key is not ?3
