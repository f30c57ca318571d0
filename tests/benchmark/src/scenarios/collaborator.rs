//! A Collaborator file, compared with psql, and calls of ten rows on an idle system.

use std::time::Instant;

use anyhow::ensure;
use muster_client::{Client, UserCounts, generate};
use muster_domain::collaborator::column_names;

use crate::arguments::Arguments;
use crate::print_progress;
use crate::report::Report;
use crate::site::Site;

/// Upper bound of the rows of the file: the size that this API is made for.
const MAX_ROWS: u64 = 100_000;
const CALLS: u64 = 50;
const CALL_ROWS: u64 = 10;
const CALL_SEED: u64 = 1000;

pub(crate) async fn measure(args: &Arguments, site: &Site, report: &mut Report) -> anyhow::Result<()> {
    let rows = MAX_ROWS.min(args.rows);
    let file = site.folder.path().join("collaborator.csv");
    generate::write_collaborator(std::fs::File::create(&file)?, rows, 1)?;
    let text = std::fs::read(&file)?;
    site.psql.run(&schema()).await?;
    let script = script(&file.display().to_string());
    for round in 1..=args.rounds {
        site.delete_users().await?;
        site.psql.run("truncate yardstick.people;").await?;
        for (name, created) in [("Collaborator, new", rows), ("Collaborator, again", 0)] {
            print_progress(&format!("round {round}: {name}"));
            let started = Instant::now();
            site.psql.run(&script).await?;
            report.add_yardstick(name, rows, started.elapsed().as_secs_f64());
            report.add_muster(name, rows, call(&site.clients[0], text.clone(), created).await?);
        }
    }
    measure_calls(site, report).await
}

async fn measure_calls(site: &Site, report: &mut Report) -> anyhow::Result<()> {
    print_progress("Collaborator calls of ten rows");
    let mut seconds = Vec::new();
    for number in 0..CALLS {
        let mut text = Vec::new();
        generate::write_collaborator(&mut text, CALL_ROWS, CALL_SEED + number)?;
        seconds.push(call(&site.clients[0], text, CALL_ROWS).await?);
    }
    report.add_latencies("Collaborator call of ten rows", &mut seconds);
    Ok(())
}

/// Imports a file and checks its counts. Returns the seconds.
async fn call(client: &Client, text: Vec<u8>, created: u64) -> anyhow::Result<f64> {
    let started = Instant::now();
    let expected = UserCounts { created, ..UserCounts::default() };
    let counts = client.import_users(text).await?;
    ensure!(counts == expected, "expected {expected:?}, found {counts:?}");
    Ok(started.elapsed().as_secs_f64())
}

fn join_columns(render: impl Fn(&str) -> String) -> String {
    column_names().map(|name| render(&format!("\"{name}\""))).join(", ")
}

fn schema() -> String {
    format!(
        "create table yardstick.people (tenant bigint not null, id bigint generated always as identity,\n\
             created_at timestamptz not null default now(), updated_at timestamptz not null default now(),\n\
             {}, primary key (tenant, id)) with (fillfactor = 90);\n\
         create unique index on yardstick.people (tenant, \"uid\");\n\
         create unique index on yardstick.people (tenant, lower(\"login\"));\n\
         create unique index on yardstick.people (tenant, lower(\"email\"));\n",
        join_columns(|name| format!("{name} text"))
    )
}

fn script(file: &str) -> String {
    format!(
        "create temporary table stage ({});\n\
         \\copy stage from '{file}' csv header delimiter ';'\n\
         insert into yardstick.people as u (tenant, {}) select 1, {} from stage\n\
         on conflict (tenant, \"uid\") do update set {}, updated_at = now()\n\
         where ({}) is distinct from ({});\n",
        join_columns(|name| format!("{name} text")),
        join_columns(str::to_owned),
        join_columns(str::to_owned),
        join_columns(|name| format!("{name} = excluded.{name}")),
        join_columns(|name| format!("u.{name}")),
        join_columns(|name| format!("excluded.{name}")),
    )
}
