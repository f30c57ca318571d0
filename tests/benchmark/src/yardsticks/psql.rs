//! The yardstick for Postgres: psql copies the file into a staging table and merges it with one statement.

use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use muster_domain::field::{FieldKind, FieldSpec, spigit_fields};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use url::Url;

use crate::arguments::Setting;

/// Longer than any script takes.
const DEADLINE: Duration = Duration::from_hours(2);
/// Rows in each transaction when several connections share a file.
const CHUNK_ROWS: usize = 5000;

/// A database for one run of the benchmark.
pub(crate) struct Psql {
    server: SecretString,
    url: SecretString,
    name: String,
}

impl Psql {
    /// Creates the database. The settings apply to every connection to it.
    pub(crate) async fn create_database(server: &SecretString, settings: &[Setting]) -> anyhow::Result<Self> {
        let name = format!("muster_bench_{:08x}", rand::random::<u32>());
        let mut url = Url::parse(server.expose_secret()).context("the URL of Postgres is invalid")?;
        run(server, &format!("create database {name};")).await.context("cannot create a database")?;
        for Setting { name: setting, value } in settings {
            let value = value.replace('\'', "''");
            let result = run(server, &format!("alter database {name} set \"{setting}\" = '{value}';")).await;
            result.with_context(|| format!("Postgres does not accept {setting} = {value}"))?;
        }
        url.set_path(&name);
        let psql = Self { server: server.clone(), url: SecretString::from(String::from(url)), name };
        psql.run(&schema()).await?;
        Ok(psql)
    }

    pub(crate) fn url(&self) -> &SecretString {
        &self.url
    }

    pub(crate) async fn run(&self, script: &str) -> anyhow::Result<()> {
        run(&self.url, script).await.map(drop)
    }

    /// Drops the database. Not with `force`: that fails while autovacuum, which runs as a superuser, is active, whereas
    /// a plain drop stops autovacuum and waits for connections that are closing.
    pub(crate) async fn drop_database(&self) -> anyhow::Result<()> {
        run(&self.server, &format!("drop database {};", self.name)).await.map(drop)
    }

    /// The version of the server, and its settings that affect the results.
    pub(crate) async fn server_settings(&self) -> anyhow::Result<String> {
        let names = [
            "server_version",
            "shared_buffers",
            "max_wal_size",
            "checkpoint_timeout",
            "wal_compression",
            "synchronous_commit",
            "fsync",
        ];
        let shown = names.map(|name| format!("select '{name} ' || current_setting('{name}');"));
        Ok(run(&self.url, &shown.concat()).await?.trim().replace('\n', ", "))
    }

    /// Copies the whole file into a staging table and merges it. Returns the seconds.
    pub(crate) async fn stage_and_merge(&self, file: &Path) -> anyhow::Result<f64> {
        let script = format!("{}\\copy stage from '{}' csv header\n{}", create_stage(), file.display(), merge_stage());
        let started = Instant::now();
        self.run(&script).await?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// The same on two connections, each with half of the file in chunks. Returns the seconds.
    pub(crate) async fn stage_and_merge_on_two_connections(&self, file: &Path) -> anyhow::Result<f64> {
        let text = tokio::fs::read_to_string(file).await?;
        let rows: Vec<&str> = text.lines().skip(1).collect();
        let halves = rows.split_at(rows.len() / 2);
        let scripts = [chunked_script(halves.0), chunked_script(halves.1)];
        let started = Instant::now();
        let (first, second) = tokio::join!(self.run(&scripts[0]), self.run(&scripts[1]));
        first.and(second)?;
        Ok(started.elapsed().as_secs_f64())
    }
}

fn chunked_script(rows: &[&str]) -> String {
    let mut script = create_stage();
    for chunk in rows.chunks(CHUNK_ROWS) {
        script.push_str("begin;\ncopy stage from stdin csv;\n");
        for row in chunk {
            script.push_str(row);
            script.push('\n');
        }
        script.push_str("\\.\n");
        script.push_str(&merge_stage());
        script.push_str("truncate stage;\ncommit;\n");
    }
    script
}

/// The table that an expert would create for the file, with the same unique keys as in Muster.
fn schema() -> String {
    let kind = |spec: &FieldSpec| if spec.kind == FieldKind::Date { "date" } else { "text" };
    let columns: String = spigit_fields().iter().fold(String::new(), |mut text, spec| {
        let _ = write!(text, "{} {}, ", spec.column, kind(spec));
        text
    });
    format!(
        "create schema yardstick;\n\
         create table yardstick.users (tenant bigint not null, id bigint generated always as identity,\n\
             created_at timestamptz not null default now(), updated_at timestamptz not null default now(),\n\
             username_key text not null, email_key text not null, {columns}\n\
             primary key (tenant, id)) with (fillfactor = 90);\n\
         create unique index on yardstick.users (tenant, username_key);\n\
         create unique index on yardstick.users (tenant, email_key);\n"
    )
}

fn join_columns(render: impl Fn(&FieldSpec) -> String) -> String {
    spigit_fields().iter().map(render).collect::<Vec<_>>().join(", ")
}

fn create_stage() -> String {
    format!("create temporary table stage ({});\n", join_columns(|spec| format!("{} text", spec.column)))
}

fn merge_stage() -> String {
    let names = join_columns(|spec| spec.column.to_owned());
    let values = join_columns(|spec| match spec.kind {
        FieldKind::Date => format!("to_date({}, 'MM/DD/YYYY')", spec.column),
        _ => spec.column.to_owned(),
    });
    let updates = join_columns(|spec| format!("{0} = excluded.{0}", spec.column));
    let old = join_columns(|spec| format!("u.{}", spec.column));
    let new = join_columns(|spec| format!("excluded.{}", spec.column));
    format!(
        "insert into yardstick.users as u (tenant, username_key, email_key, {names})\n\
         select 1, lower(username), lower(email), {values} from stage\n\
         on conflict (tenant, username_key) do update\n\
         set {updates}, email_key = excluded.email_key, updated_at = now()\n\
         where ({old}) is distinct from ({new});\n"
    )
}

/// Runs a script and returns its output. The password is passed in the environment, not on the command line.
async fn run(url: &SecretString, script: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(url.expose_secret()).context("the URL of Postgres is invalid")?;
    let password = url.password().map(str::to_owned).unwrap_or_default();
    let _ = url.set_password(None);
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", url.as_str()]).env("PGPASSWORD", password);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("cannot start psql: install the PostgreSQL client")?;
    let mut input = child.stdin.take().context("psql has no standard input")?;
    let feed = async {
        // If psql ends early, its standard error has the reason.
        let _ = input.write_all(script.as_bytes()).await;
        drop(input);
    };
    let running = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = tokio::time::timeout(DEADLINE, running).await.context("psql took too long")??;
    ensure!(output.status.success(), "psql failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
