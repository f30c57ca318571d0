-- The missing users of jobs that block many of them, in pieces, until they are blocked.

create table missing_users (
    tenant integer not null,
    job integer not null,
    piece integer not null,
    -- A JSON array of ids.
    users text not null,
    constraint missing_users_pkey primary key (tenant, job, piece)
) strict, without rowid;
