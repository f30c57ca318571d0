//! `muster user`.

use super::{find_tenant, open_store};
use crate::cli::UserCommand;
use crate::output::print_line;

pub(crate) async fn run(command: UserCommand) -> anyhow::Result<()> {
    let UserCommand::Clashes { tenant, store } = command;
    let store = open_store(&store).await?;
    let tenant = match tenant {
        Some(name) => Some(find_tenant(&*store, &name).await?.id),
        None => None,
    };
    for clash in store.list_key_clashes(tenant).await? {
        print_line(&format!("{}\t{}\t{}", clash.tenant, clash.user_id, clash.column))?;
    }
    Ok(())
}
