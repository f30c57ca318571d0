//! The commands of an administrator. `migrate` is here; each other group of commands has its module.

pub(crate) mod dead_letters;
pub(crate) mod tenants;
pub(crate) mod tokens;
pub(crate) mod users;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use muster_ports::{Store, TenantRecord};
use muster_postgres::PostgresStore;
use muster_runtime::Shutdown;
use muster_sqlite::SqliteStore;

use crate::adapters::Pool;
use crate::cli::MigrateArgs;
use crate::output::print_line;
use crate::settings::{DatabaseArgs, StoreArgs};

const POOL: Pool = Pool { name: "admin", connections: 1, acquire_timeout: Duration::from_secs(10) };

pub(crate) async fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    PostgresStore::migrate(&POOL.config(&args.database)).await.context("cannot migrate the schema")?;
    print_line("The schema is up to date.")
}

/// Opens the store that the arguments name: the data folder of `muster serve`, or Postgres.
async fn open_store(args: &StoreArgs) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(folder) = &args.data {
        if !folder.join("muster.db").exists() {
            bail!("there is no database of `muster serve` in {}", folder.display());
        }
        return Ok(Arc::new(SqliteStore::open(folder)?));
    }
    let database_url = args.database_url.clone().context("--database-url or --data is required")?;
    let config = POOL.config(&DatabaseArgs { database_url });
    let store = Arc::new(PostgresStore::new(&config, Shutdown::new())?);
    muster_ports::Queries::check_ready(&*store).await?;
    Ok(store)
}

async fn find_tenant(store: &dyn Store, name: &str) -> anyhow::Result<TenantRecord> {
    let tenants = store.list_tenants().await?;
    let names = tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = tenants.into_iter().find(|tenant| tenant.name == name);
    found.with_context(|| format!("there is no tenant {name}; existing tenants: {names}"))
}
