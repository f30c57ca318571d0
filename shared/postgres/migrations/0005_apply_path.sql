-- What makes imports cheap; docs/performance.md has the figures.

-- Keys are folded text, equal or not byte by byte: comparing them needs no locale.
alter table users
    alter column username_key type text collate "C",
    alter column email_key type text collate "C",
    alter column uid type text collate "C",
    -- Of a row that would change nothing in this user: the one that wrote it last.
    add column row_digest bytea;

-- Whoever else changes a user makes the digest untrue.
create function users_forget_row_digest() returns trigger language plpgsql as $$
begin
    update users set row_digest = null where tenant = new.tenant and id = new.id;
    return null;
end
$$;
create trigger users_forget_row_digest after update on users
for each row when (new.row_digest = old.row_digest)
execute function users_forget_row_digest();

-- A connection that inserts thousands of users takes their ids in one go.
alter sequence users_id_seq cache 100;
