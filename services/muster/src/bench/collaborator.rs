//! A file of the Collaborator API beside psql, and calls of ten rows on an idle system.

use std::time::Instant;

use anyhow::ensure;
use muster_domain::collaborator::column_names;

use super::progress;
use super::report::Report;
use super::site::Site;
use crate::cli::BenchArgs;
use crate::client::Client;
use crate::generate;

/// Of the file, whatever `--rows` says: the size for which this API was made.
const ROWS: u64 = 100_000;
const CALLS: u64 = 50;
const CALL_ROWS: u64 = 10;
const CALL_SEED: u64 = 1000;

pub(super) async fn measure(args: &BenchArgs, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = ROWS.min(args.rows);
    let file = site.folder.path().join("collaborator.csv");
    generate::write_collaborator(std::fs::File::create(&file)?, rows, 1)?;
    let text = std::fs::read(&file)?;
    site.psql.run(&schema()).await?;
    let script = script(&file.display().to_string());
    for round in 1..=args.rounds {
        site.empty().await?;
        site.psql.run("truncate yardstick.people;").await?;
        for (name, created) in [("Collaborator, new", rows), ("Collaborator, again", 0)] {
            progress(&format!("round {round}: {name}"));
            let begun = Instant::now();
            site.psql.run(&script).await?;
            report.yardstick(name, rows, begun.elapsed().as_secs_f64());
            report.muster(name, rows, call(&site.clients[0], text.clone(), created).await?);
        }
    }
    measure_calls(site, report).await
}

async fn measure_calls(site: &Site, report: &mut Report) -> anyhow::Result<()> {
    progress("Collaborator calls of ten rows");
    let mut seconds = Vec::new();
    for number in 0..CALLS {
        let mut text = Vec::new();
        generate::write_collaborator(&mut text, CALL_ROWS, CALL_SEED + number)?;
        seconds.push(call(&site.clients[0], text, CALL_ROWS).await?);
    }
    report.latencies("Collaborator call of ten rows", &mut seconds);
    Ok(())
}

async fn call(client: &Client, text: Vec<u8>, created: u64) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let counts = client.import_users(text).await?;
    ensure!(counts == [created, 0, 0, 0], "expected {created} users to be created, found {counts:?}");
    Ok(begun.elapsed().as_secs_f64())
}

fn names(of: impl Fn(&str) -> String) -> String {
    column_names().map(|name| of(&format!("\"{name}\""))).join(", ")
}

fn schema() -> String {
    format!(
        "create table yardstick.people (tenant bigint not null, id bigint generated always as identity,\n\
             created_at timestamptz not null default now(), updated_at timestamptz not null default now(),\n\
             {}, primary key (tenant, id)) with (fillfactor = 90);\n\
         create unique index on yardstick.people (tenant, \"uid\");\n\
         create unique index on yardstick.people (tenant, lower(\"login\"));\n\
         create unique index on yardstick.people (tenant, lower(\"email\"));\n",
        names(|name| format!("{name} text"))
    )
}

fn script(file: &str) -> String {
    format!(
        "create temporary table stage ({});\n\
         \\copy stage from '{file}' csv header delimiter ';'\n\
         insert into yardstick.people as u (tenant, {}) select 1, {} from stage\n\
         on conflict (tenant, \"uid\") do update set {}, updated_at = now()\n\
         where ({}) is distinct from ({});\n",
        names(|name| format!("{name} text")),
        names(str::to_owned),
        names(str::to_owned),
        names(|name| format!("{name} = excluded.{name}")),
        names(|name| format!("u.{name}")),
        names(|name| format!("excluded.{name}")),
    )
}
