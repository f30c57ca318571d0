//! The features, each on both ways to run Muster.

mod auth;
mod bench;
mod bodies;
mod cancel;
mod collaborator;
mod contested;
mod dead;
mod delete;
mod faults;
mod import;
mod keys;
mod lookups;
mod order;
mod polling;
mod protocol;
mod refusals;
mod reports;
mod retention;
mod rows;
mod uploads;

use muster_testkit::{Backend, Site, SiteOptions};

use crate::MUSTER;

/// Makes a test of each scenario on each backend. A scenario takes a running site.
macro_rules! on_both {
    ($($scenario:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(crate::flow::site(muster_testkit::Backend::Embedded).await).await;
            })*
        }
        mod distributed {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(crate::flow::site(muster_testkit::Backend::Distributed).await).await;
            })*
        }
    };
}
pub(crate) use on_both;

pub(crate) async fn site(backend: Backend) -> Site {
    Site::start(MUSTER, backend, SiteOptions::default()).await
}

pub(crate) const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

/// A file with these rows.
pub(crate) fn csv<R: AsRef<str>>(titles: &str, rows: impl IntoIterator<Item = R>) -> String {
    let mut text = format!("{titles}\n");
    for row in rows {
        text.push_str(row.as_ref());
        text.push('\n');
    }
    text
}

/// A file with the four core columns for users of these names.
pub(crate) fn users<U: AsRef<str>>(names: impl IntoIterator<Item = U>) -> String {
    csv(TITLES, names.into_iter().map(|name| format!("{0}@x.example,{0},First,Last", name.as_ref())))
}

/// `[total, created, updated, unchanged, failed]` of a status.
pub(crate) fn counts(status: &serde_json::Value) -> [u64; 5] {
    ["total_users", "created_users", "updated_users", "unchanged_users", "failed_users"]
        .map(|key| status[key].as_u64().unwrap_or_else(|| panic!("no {key} in {status}")))
}
