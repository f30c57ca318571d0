-- Files are cut in another way from now on, and keys are made by other rules.
do $$
begin
    if exists (select 1 from jobs where state in ('PENDING', 'PROCESSING')) then
        raise exception 'files are still being imported: finish or cancel them with the version of Muster that accepted them';
    end if;
end
$$;

-- Users whose user name, e-mail or uid is that of another user by the rules for keys. They keep the key that they had, and
-- no row finds them.
create table user_clashes (
    tenant bigint not null,
    user_id bigint not null,
    -- The column: username, email or uid.
    kind text not null,
    constraint user_clashes_pkey primary key (tenant, user_id, kind)
);
