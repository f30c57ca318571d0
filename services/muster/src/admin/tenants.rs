//! `muster tenant`.

use anyhow::bail;
use muster_domain::Charset;
use muster_ports::{TenantRecord, TenantSettings};

use super::{find_tenant, open_store};
use crate::cli::TenantCommand;
use crate::output::print_line;

pub(crate) async fn run(command: TenantCommand) -> anyhow::Result<()> {
    match command {
        TenantCommand::Create { name, settings, store } => {
            let store = open_store(&store).await?;
            match store.create_tenant(&name, settings.applied_to(TenantSettings::default())?).await? {
                Some(id) => print_line(&format!("Tenant {name} has id {id}.")),
                None => bail!("tenant {name} already exists"),
            }
        }
        TenantCommand::Set { name, settings, store } => {
            let store = open_store(&store).await?;
            let tenant = find_tenant(&*store, &name).await?;
            let settings = settings.applied_to(tenant.settings.clone())?;
            store.set_tenant_settings(tenant.id, settings.clone()).await?;
            print_line(&format_tenant(&TenantRecord { settings, ..tenant }))
        }
        TenantCommand::List { store } => {
            for tenant in open_store(&store).await?.list_tenants().await? {
                print_line(&format_tenant(&tenant))?;
            }
            Ok(())
        }
    }
}

fn format_tenant(tenant: &TenantRecord) -> String {
    let TenantSettings {
        short_rows,
        missing_users,
        missing_guard_percent,
        missing_guard_min,
        charset,
        own_titles,
        quotas,
    } = &tenant.settings;
    let titles = own_titles.iter().flat_map(|(title, column)| [" title=", title, "=", column]);
    let titles: String = titles.collect();
    let limit = |limit: Option<u64>| limit.unwrap_or(0);
    format!(
        "{}\t{}\tshort_rows={} missing_users={} missing_guard_percent={missing_guard_percent} \
         missing_guard_min={missing_guard_min} charset={} max_stored_bytes={} max_unfinished_jobs={} max_uploads_per_day={} \
         max_new_passwords_per_hour={}{titles}",
        tenant.id,
        tenant.name,
        short_rows.as_str(),
        missing_users.as_str(),
        charset.map_or_else(|| "auto".to_owned(), Charset::as_str),
        limit(quotas.stored_bytes),
        limit(quotas.unfinished_jobs),
        limit(quotas.uploads_per_day),
        limit(quotas.new_passwords_per_hour),
    )
}
