-- release_logins: Takes the login from the user ?2 of tenant ?1 who is about to get the folded login ?3 instead. No
-- folded login has the character in the key that the user has meanwhile.
update users set username_key = char(1) || id where tenant = ?1 and id = ?2 and username_key is not ?3
