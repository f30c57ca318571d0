//! The arguments of `muster tenant`.

use std::sync::Arc;

use clap::{Args, Subcommand};
use muster_domain::own_titles::OwnTitleError;
use muster_domain::{Charset, OwnTitles, Quotas};
use muster_ports::{MissingUsers, ShortRows, TenantSettings};

use crate::settings::{StoreArgs, parse_tenant_name};

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant.
    Create {
        /// Unique name of the tenant.
        #[arg(value_parser = parse_tenant_name)]
        name: String,
        #[command(flatten)]
        settings: TenantArgs,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Change the settings of a tenant. Files that were already accepted keep the settings they were accepted with,
    /// except for the guard, which is evaluated at the end of a job.
    Set {
        /// Name of the tenant.
        name: String,
        #[command(flatten)]
        settings: TenantArgs,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List all tenants.
    List {
        #[command(flatten)]
        store: StoreArgs,
    },
}

/// Settings of a tenant. One that is absent keeps its value, or its default if the tenant is new.
#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    /// Whether a Spigit row with fewer values than the header fails (default) or is padded with empty values.
    #[arg(long, value_parser = ["fail", "pad"])]
    short_rows: Option<String>,
    /// Whether to keep (default) or block users who are missing from a Collaborator file.
    #[arg(long, value_parser = ["keep", "block"])]
    missing_users: Option<String>,
    /// Largest percentage of the active users that one file may block as missing (default: 10). A file that exceeds it
    /// blocks no user, unless --missing-guard-min permits the number.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=100))]
    missing_guard_percent: Option<u8>,
    /// Number of users that one file may always block as missing, whatever their percentage (default: 10).
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=1_000_000_000))]
    missing_guard_min: Option<u32>,
    /// Charset of files that declare none and are not UTF-8, such as windows-1251; `auto` to find out (default).
    #[arg(long, value_parser = parse_charset)]
    charset: Option<TenantCharset>,
    /// Title that the tenant's files give to a column, such as `Mail=EMAIL` or `Nr=uid`; `Mail=` removes it. Can be given
    /// more than once.
    #[arg(long = "title", value_name = "TITLE=COLUMN", value_parser = parse_title)]
    titles: Vec<TitleChange>,
    /// Largest total size in bytes of the uploads that are stored for the tenant; 0 for no limit (default).
    #[arg(long)]
    max_stored_bytes: Option<u64>,
    /// Largest number of files of the tenant that are not finished; 0 for no limit (default).
    #[arg(long)]
    max_unfinished_jobs: Option<u64>,
    /// Largest number of uploads of the tenant in a day, which begins at midnight UTC; 0 for no limit (default).
    #[arg(long)]
    max_uploads_per_day: Option<u64>,
    /// Largest number of new users whose passwords are hashed in one hour of the clock; 0 for no limit (default). Rows
    /// beyond it wait, and none fails.
    #[arg(long)]
    max_new_passwords_per_hour: Option<u64>,
}

impl TenantArgs {
    /// Returns `current` with the settings that are present here replaced.
    pub(crate) fn applied_to(&self, current: TenantSettings) -> Result<TenantSettings, OwnTitleError> {
        let mut own_titles = current.own_titles;
        for change in &self.titles {
            change.apply_to(Arc::make_mut(&mut own_titles))?;
        }
        Ok(TenantSettings {
            short_rows: self.short_rows.as_deref().and_then(ShortRows::parse).unwrap_or(current.short_rows),
            missing_users: self.missing_users.as_deref().and_then(MissingUsers::parse).unwrap_or(current.missing_users),
            missing_guard_percent: self.missing_guard_percent.unwrap_or(current.missing_guard_percent),
            missing_guard_min: self.missing_guard_min.unwrap_or(current.missing_guard_min),
            charset: self.charset.map_or(current.charset, |charset| charset.0),
            own_titles,
            quotas: Quotas {
                stored_bytes: limit(self.max_stored_bytes, current.quotas.stored_bytes),
                unfinished_jobs: limit(self.max_unfinished_jobs, current.quotas.unfinished_jobs),
                uploads_per_day: limit(self.max_uploads_per_day, current.quotas.uploads_per_day),
                new_passwords_per_hour: limit(self.max_new_passwords_per_hour, current.quotas.new_passwords_per_hour),
            },
        })
    }
}

/// A title of the tenant as a flag sets it; the column is `None` to remove it.
#[derive(Clone, Debug)]
struct TitleChange {
    title: String,
    column: Option<String>,
}

impl TitleChange {
    fn apply_to(&self, titles: &mut OwnTitles) -> Result<(), OwnTitleError> {
        if let Some(column) = &self.column {
            return titles.set(&self.title, column);
        }
        titles.remove(&self.title);
        Ok(())
    }
}

fn parse_title(text: &str) -> Result<TitleChange, String> {
    let (title, column) = text.rsplit_once('=').ok_or("expected TITLE=COLUMN, such as Mail=EMAIL")?;
    let column = Some(column.trim().to_owned()).filter(|column| !column.is_empty());
    let change = TitleChange { title: title.trim().to_owned(), column };
    change.apply_to(&mut OwnTitles::default()).map_err(|error| error.to_string())?;
    Ok(change)
}

/// A charset as a flag sets it; `None` for `auto`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TenantCharset(Option<Charset>);

fn parse_charset(text: &str) -> Result<TenantCharset, String> {
    if text == "auto" {
        return Ok(TenantCharset(None));
    }
    let charset = Charset::parse(text).ok_or("expected `auto` or a charset such as utf-8 or windows-1251")?;
    Ok(TenantCharset(Some(charset)))
}

/// A limit as a flag sets it: 0 removes it, and without the flag the current one stays.
fn limit(flag: Option<u64>, current: Option<u64>) -> Option<u64> {
    flag.map_or(current, |limit| Some(limit).filter(|limit| *limit > 0))
}
