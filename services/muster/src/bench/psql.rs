//! What an expert would write for Postgres: a stage and one merge, by psql.

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

use crate::cli::Setting;

/// No script takes longer.
const DEADLINE: Duration = Duration::from_hours(2);
/// Rows of a transaction where several connections share a file.
const CHUNK: usize = 5000;

/// A database of the benchmark's own.
pub(super) struct Psql {
    server: SecretString,
    url: SecretString,
    name: String,
}

impl Psql {
    /// With these settings, for everyone who connects to it.
    pub(super) async fn with_own_database(server: &SecretString, settings: &[Setting]) -> anyhow::Result<Self> {
        let name = format!("muster_bench_{:08x}", rand::random::<u32>());
        let mut url = Url::parse(server.expose_secret()).context("the address of Postgres cannot be read")?;
        run(server, &format!("create database {name};")).await.context("a database cannot be created")?;
        for Setting { name: setting, value } in settings {
            let value = value.replace('\'', "''");
            let done = run(server, &format!("alter database {name} set \"{setting}\" = '{value}';")).await;
            done.with_context(|| format!("Postgres does not take {setting} = {value}"))?;
        }
        url.set_path(&name);
        let psql = Self { server: server.clone(), url: SecretString::from(String::from(url)), name };
        psql.run(&schema()).await?;
        Ok(psql)
    }

    pub(super) fn url(&self) -> &SecretString {
        &self.url
    }

    pub(super) async fn run(&self, script: &str) -> anyhow::Result<()> {
        run(&self.url, script).await.map(drop)
    }

    /// Removes the database. The server waits for connections that are closing, and ends its own vacuuming;
    /// with `force` it would refuse, because that runs as a superuser.
    pub(super) async fn drop_database(&self) -> anyhow::Result<()> {
        run(&self.server, &format!("drop database {};", self.name)).await.map(drop)
    }

    /// The version of the server and its settings that matter.
    pub(super) async fn settings(&self) -> anyhow::Result<String> {
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

    /// The whole file into a stage, and one merge. Gives the seconds.
    pub(super) async fn stage_and_merge(&self, file: &Path) -> anyhow::Result<f64> {
        let script = format!("{}\\copy stage from '{}' csv header\n{}", stage(), file.display(), merge());
        let begun = Instant::now();
        self.run(&script).await?;
        Ok(begun.elapsed().as_secs_f64())
    }

    /// The same over two connections, each with a half of the file in chunks. Gives the seconds.
    pub(super) async fn on_two_connections(&self, file: &Path) -> anyhow::Result<f64> {
        let text = tokio::fs::read_to_string(file).await?;
        let rows: Vec<&str> = text.lines().skip(1).collect();
        let halves = rows.split_at(rows.len() / 2);
        let scripts = [chunked(halves.0), chunked(halves.1)];
        let begun = Instant::now();
        let (first, second) = tokio::join!(self.run(&scripts[0]), self.run(&scripts[1]));
        first.and(second)?;
        Ok(begun.elapsed().as_secs_f64())
    }
}

fn chunked(rows: &[&str]) -> String {
    let mut script = stage();
    for chunk in rows.chunks(CHUNK) {
        script.push_str("begin;\ncopy stage from stdin csv;\n");
        for row in chunk {
            script.push_str(row);
            script.push('\n');
        }
        script.push_str("\\.\n");
        script.push_str(&merge());
        script.push_str("truncate stage;\ncommit;\n");
    }
    script
}

/// The table that an expert would make for the file: with the same keys as Muster's.
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

fn columns(of: impl Fn(&FieldSpec) -> String) -> String {
    spigit_fields().iter().map(of).collect::<Vec<_>>().join(", ")
}

fn stage() -> String {
    format!("create temporary table stage ({});\n", columns(|spec| format!("{} text", spec.column)))
}

fn merge() -> String {
    let names = columns(|spec| spec.column.to_owned());
    let values = columns(|spec| match spec.kind {
        FieldKind::Date => format!("to_date({}, 'MM/DD/YYYY')", spec.column),
        _ => spec.column.to_owned(),
    });
    let updates = columns(|spec| format!("{0} = excluded.{0}", spec.column));
    let old = columns(|spec| format!("u.{}", spec.column));
    let new = columns(|spec| format!("excluded.{}", spec.column));
    format!(
        "insert into yardstick.users as u (tenant, username_key, email_key, {names})\n\
         select 1, lower(username), lower(email), {values} from stage\n\
         on conflict (tenant, username_key) do update\n\
         set {updates}, email_key = excluded.email_key, updated_at = now()\n\
         where ({old}) is distinct from ({new});\n"
    )
}

/// Runs a script and gives what it printed. The password is in the environment, not on the command line.
async fn run(url: &SecretString, script: &str) -> anyhow::Result<String> {
    let mut url = Url::parse(url.expose_secret()).context("the address of Postgres cannot be read")?;
    let password = url.password().map(str::to_owned).unwrap_or_default();
    let _ = url.set_password(None);
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", url.as_str()]).env("PGPASSWORD", password);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("psql cannot be started: install PostgreSQL's client")?;
    let mut input = child.stdin.take().context("psql takes a script")?;
    let feed = async {
        // One that ends early says why on its standard error.
        let _ = input.write_all(script.as_bytes()).await;
        drop(input);
    };
    let running = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = tokio::time::timeout(DEADLINE, running).await.context("psql took too long")??;
    ensure!(output.status.success(), "psql failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
