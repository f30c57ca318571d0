-- Rows that wait until the rest of their file is applied, because they want the e-mail or the login of another user.
-- Checked rows as JSON, with the hash of a password, never the password. A final job has none.
create table waiting (
    tenant integer not null,
    job integer not null,
    line integer not null,
    key text not null,
    email_key text,
    login_key text,
    is_complete integer not null,
    row text not null,
    primary key (tenant, job, line)
) strict;
create index waiting_key on waiting (tenant, job, key);
create index waiting_email_key on waiting (tenant, job, email_key) where email_key is not null;
create index waiting_login_key on waiting (tenant, job, login_key) where login_key is not null;

-- How many rows of the batch wait. They are in none of its counts.
alter table ledger add column waiting integer not null default 0;
create index ledger_waiting on ledger (tenant, job) where waiting > 0;
