//! `muster migrate`, `muster tenant`, `muster token`.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use muster_ports::{Scope, Store, TenantRecord, TenantSettings};
use muster_postgres::PostgresStore;
use muster_runtime::Shutdown;
use muster_sqlite::SqliteStore;

use crate::cli::{MigrateArgs, TenantCommand, TokenCommand};
use crate::settings::{DatabaseArgs, StoreArgs};
use crate::token;
use crate::wiring::Pool;

const POOL: Pool = Pool { name: "admin", connections: 1, acquire: Duration::from_secs(10) };

pub(crate) async fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    PostgresStore::migrate(&POOL.config(&args.database)).await.context("the schema could not be brought up to date")?;
    say("The schema is up to date.")
}

pub(crate) async fn tenant(command: TenantCommand) -> anyhow::Result<()> {
    match command {
        TenantCommand::Create { name, settings, store } => {
            let store = open(&store).await?;
            match store.create_tenant(&name, settings.over(TenantSettings::default())).await? {
                Some(id) => say(&format!("Tenant {name} has id {id}.")),
                None => bail!("there is a tenant {name} already"),
            }
        }
        TenantCommand::Set { name, settings, store } => {
            let store = open(&store).await?;
            let tenant = find_tenant(&*store, &name).await?;
            let settings = settings.over(tenant.settings);
            store.set_tenant(tenant.id, settings).await?;
            say(&describe_tenant(&TenantRecord { settings, ..tenant }))
        }
        TenantCommand::List { store } => {
            for tenant in open(&store).await?.list_tenants().await? {
                say(&describe_tenant(&tenant))?;
            }
            Ok(())
        }
    }
}

fn describe_tenant(tenant: &TenantRecord) -> String {
    let TenantSettings { short_rows, missing_users, missing_guard_percent, missing_guard_min } = tenant.settings;
    format!(
        "{}\t{}\tshort_rows={} missing_users={} missing_guard_percent={missing_guard_percent} missing_guard_min={missing_guard_min}",
        tenant.id,
        tenant.name,
        short_rows.as_str(),
        missing_users.as_str(),
    )
}

pub(crate) async fn token(command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create { tenant, scopes, expires_in_days, store } => {
            let store = open(&store).await?;
            let tenant = find_tenant(&*store, &tenant).await?;
            let scopes = scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
            let expires = expires_in_days.map(|days| i64::from(days) * 24 * 3600);
            say(&token::create(&*store, tenant.id, scopes, expires).await?)
        }
        TokenCommand::List { tenant, store } => {
            let store = open(&store).await?;
            let tenant = find_tenant(&*store, &tenant).await?;
            for token in store.list_tokens(tenant.id).await? {
                let state = match (token.revoked_ms, token.expires_ms) {
                    (Some(_), _) => "revoked".to_owned(),
                    (None, Some(at)) => format!("expires_at_ms={at}"),
                    (None, None) => "no end".to_owned(),
                };
                say(&format!("{}\t{}…\t{}\t{state}", token.id, token.prefix, Scope::join(&token.scopes)))?;
            }
            Ok(())
        }
        TokenCommand::Revoke { id, store } => {
            if open(&store).await?.revoke_token(id).await? {
                say(&format!("Token {id} is revoked."))
            } else {
                bail!("there is no token {id} that could be revoked")
            }
        }
    }
}

async fn find_tenant(store: &dyn Store, name: &str) -> anyhow::Result<TenantRecord> {
    let tenants = store.list_tenants().await?;
    let known = tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = tenants.into_iter().find(|tenant| tenant.name == name);
    found.with_context(|| format!("there is no tenant {name}; there are: {known}"))
}

async fn open(args: &StoreArgs) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(folder) = &args.data {
        if !folder.join("muster.db").exists() {
            bail!("there is no data of `muster serve` in {}", folder.display());
        }
        return Ok(Arc::new(SqliteStore::open(folder)?));
    }
    let database_url = args.database_url.clone().context("--database-url or --data is needed")?;
    let config = POOL.config(&DatabaseArgs { database_url });
    let store = Arc::new(PostgresStore::new(&config, Shutdown::new())?);
    muster_ports::Reports::check_ready(&*store).await?;
    Ok(store)
}

pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
