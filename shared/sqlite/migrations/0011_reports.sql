-- What the status and the reports of a job say about its file.

alter table jobs add column blank_rows integer;
alter table jobs add column skipped_lines integer;
-- How much of the decoded file was applied when the job was stopped.
alter table jobs add column applied_bytes integer;
-- How the charset was found.
alter table jobs add column raw_charset_source text;
-- Keys of JSON objects that Muster does not know, as a JSON array.
alter table jobs add column ignored_keys text not null default '[]';

-- Who has the e-mail or the login that a row wants: the id of the user, the line of this file that wrote it last, and
-- whether it is blocked.
alter table rejections add column other_id integer;
alter table rejections add column other_line integer;
alter table rejections add column other_blocked integer;

-- The first warnings of each batch.
create table warnings (
    tenant integer not null,
    job integer not null,
    line integer not null,
    -- Empty if the warning concerns the whole row.
    column_title text not null,
    row_no integer,
    code text not null,
    primary key (tenant, job, line, column_title)
) without rowid;

-- The charset of the tenant's files that declare none and are not UTF-8; null if Muster is to find out.
alter table tenants add column charset text;
