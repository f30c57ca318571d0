//! What an expert would write for SQLite: `.import` into a stage and an upsert, by sqlite3.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use muster_domain::field::{FieldSpec, spigit_fields};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_hours(2);

/// Imports a file into a new database. Gives the seconds.
pub(super) async fn import_and_upsert(database: &Path, file: &Path) -> anyhow::Result<f64> {
    let script = script(&file.display().to_string());
    let begun = Instant::now();
    let mut command = Command::new("sqlite3");
    command.arg("-bail").arg(database).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("sqlite3 cannot be started: install SQLite's shell")?;
    let mut input = child.stdin.take().context("sqlite3 takes a script")?;
    input.write_all(script.as_bytes()).await?;
    drop(input);
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.context("sqlite3 took too long")??;
    ensure!(output.status.success(), "sqlite3 failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(begun.elapsed().as_secs_f64())
}

fn columns(of: impl Fn(&FieldSpec) -> String) -> String {
    spigit_fields().iter().map(of).collect::<Vec<_>>().join(", ")
}

fn script(file: &str) -> String {
    let names = columns(|spec| spec.column.to_owned());
    let updates = columns(|spec| format!("{0} = excluded.{0}", spec.column));
    format!(
        "pragma journal_mode = wal;\n\
         pragma synchronous = full;\n\
         create table stage ({names});\n\
         create table users (id integer primary key autoincrement, tenant integer not null,\n\
             username_key text not null, email_key text not null, {names},\n\
             created_at integer not null default (unixepoch()), updated_at integer not null default (unixepoch()));\n\
         create unique index users_username_key on users (tenant, username_key);\n\
         create unique index users_email_key on users (tenant, email_key);\n\
         .mode csv\n\
         .import --skip 1 '{file}' stage\n\
         insert into users (tenant, username_key, email_key, {names})\n\
         select 1, lower(username), lower(email), {names} from stage where true\n\
         on conflict (tenant, username_key) do update\n\
         set {updates}, email_key = excluded.email_key, updated_at = unixepoch();\n"
    )
}
