//! The features, each on both backends: embedded and distributed.

mod auth;
mod collaborator;
pub(crate) mod expected;
mod imports;
mod jobs;
mod real_files;
mod recovery;
mod status;
mod upgrades;
mod uploads;

use muster_testkit::{Backend, Site, SiteOptions};

use crate::MUSTER;

/// Turns each scenario into one test per backend. A scenario is an async function that takes a running site.
macro_rules! test_on_both_backends {
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
pub(crate) use test_on_both_backends;

pub(crate) async fn site(backend: Backend) -> Site {
    Site::start(MUSTER, backend, SiteOptions::default()).await
}

pub(crate) const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

/// A CSV file with these titles and rows.
pub(crate) fn csv<R: AsRef<str>>(titles: &str, rows: impl IntoIterator<Item = R>) -> String {
    let mut text = format!("{titles}\n");
    for row in rows {
        text.push_str(row.as_ref());
        text.push('\n');
    }
    text
}

/// A CSV file with the four core columns and a user for each name.
pub(crate) fn users<U: AsRef<str>>(names: impl IntoIterator<Item = U>) -> String {
    csv(TITLES, names.into_iter().map(|name| format!("{0}@x.example,{0},First,Last", name.as_ref())))
}
