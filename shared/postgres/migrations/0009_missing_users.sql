-- The missing users of jobs that block many of them, in pieces, until they are blocked.

create table missing_users (
    tenant bigint not null,
    job bigint not null,
    piece bigint not null,
    users bigint[] not null,
    constraint missing_users_pkey primary key (tenant, job, piece)
);
