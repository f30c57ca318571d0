-- release_emails: Takes the e-mail from the user ?2 of tenant ?1 who is about to get the folded e-mail ?3 instead, so
-- that another can take it.
update users set email = null, email_key = null where tenant = ?1 and id = ?2 and email_key is not ?3
