//! The yardstick for SQLite: sqlite3 imports the file into a staging table and merges it with one upsert.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use muster_domain::field::{FieldSpec, spigit_fields};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_hours(2);

/// Imports a file into a new database. Returns the seconds.
pub(crate) async fn import_and_upsert(database: &Path, file: &Path) -> anyhow::Result<f64> {
    let script = script(&file.display().to_string());
    let started = Instant::now();
    let mut command = Command::new("sqlite3");
    command.arg("-bail").arg(database).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start sqlite3: install the SQLite shell")?;
    let mut input = child.stdin.take().context("sqlite3 has no standard input")?;
    input.write_all(script.as_bytes()).await?;
    drop(input);
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.context("sqlite3 took too long")??;
    ensure!(output.status.success(), "sqlite3 failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(started.elapsed().as_secs_f64())
}

fn join_columns(render: impl Fn(&FieldSpec) -> String) -> String {
    spigit_fields().iter().map(render).collect::<Vec<_>>().join(", ")
}

fn script(file: &str) -> String {
    let names = join_columns(|spec| spec.column.to_owned());
    let updates = join_columns(|spec| format!("{0} = excluded.{0}", spec.column));
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
