-- What the status and the reports of a job say about its file.

alter table jobs
    -- Rows that have no value, and lines of titles: neither is a row of the file.
    add column blank_rows bigint,
    add column skipped_lines bigint,
    -- How much of the decoded file was applied when the job was stopped.
    add column applied_bytes bigint,
    -- How the charset was found.
    add column raw_charset_source text,
    -- Keys of JSON objects that Muster does not know, as a JSON array.
    add column ignored_keys text not null default '[]';

-- Who has the e-mail or the login that a row wants: the id of the user, the line of this file that wrote it last, and
-- whether it is blocked.
alter table rejections
    add column other_id bigint,
    add column other_line bigint,
    add column other_blocked boolean;

-- The first warnings of each batch.
create table warnings (
    tenant bigint not null,
    job bigint not null,
    line bigint not null,
    -- Empty if the warning concerns the whole row.
    column_title text not null,
    row_no bigint,
    code text not null,
    constraint warnings_pkey primary key (tenant, job, line, column_title)
) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 100000
);

-- The charset of the tenant's files that declare none and are not UTF-8; null if Muster is to find out.
alter table tenants add column charset text;
