-- Users whose user name, e-mail or uid is that of another user by the rules for keys. They keep the key that they had, and
-- no row finds them.
create table user_clashes (
    tenant integer not null,
    user_id integer not null,
    -- The column: username, email or uid.
    kind text not null,
    primary key (tenant, user_id, kind)
) without rowid;
