//! Files on their way through a site to which something happens.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_testkit::{Client, Site, wait_until};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{File, invariants};

/// One upload of a trial.
pub(crate) struct Upload {
    pub(crate) path: String,
    pub(crate) file: File,
    pub(crate) deleted: bool,
    watcher: JoinHandle<()>,
}

/// A site, what was uploaded to it, and what is expected to be odd in the end.
pub(crate) struct Trial {
    pub(crate) site: Site,
    pub(crate) uploads: Vec<Upload>,
    /// Lines that end as `not_applied`, because the test made their batch impossible.
    pub(crate) given_up: BTreeSet<u64>,
    /// How many dead letters the test has made.
    pub(crate) dead_letters: u32,
    /// Uploads whose acceptance failed may lie in the raw store until they are swept.
    pub(crate) leftovers: bool,
}

impl Trial {
    pub(crate) fn new(site: Site) -> Self {
        Self { site, uploads: Vec::new(), given_up: BTreeSet::new(), dead_letters: 0, leftovers: false }
    }

    /// Uploads a file and watches its status from then on.
    pub(crate) async fn upload(&mut self, file: File) -> String {
        let path = self.site.client.upload(file.csv()).await;
        self.accepted(path.clone(), file);
        path
    }

    /// Notes a file that was accepted.
    pub(crate) fn accepted(&mut self, path: String, file: File) {
        #[expect(clippy::disallowed_methods, reason = "the trial is its owner")]
        let watcher = tokio::spawn(watch(self.site.client.clone(), path.clone()));
        self.uploads.push(Upload { path, file, deleted: false, watcher });
    }

    /// Notes that a file was deleted after its end: its users stay.
    pub(crate) fn deleted(&mut self, path: &str) {
        let upload = self.uploads.iter_mut().find(|upload| upload.path == path).unwrap();
        upload.watcher.abort();
        upload.deleted = true;
    }

    /// Waits until some rows of a job are applied; that all are is not expected yet.
    pub(crate) async fn in_the_middle(&self, path: &str) -> Value {
        wait_until("some rows are applied", || async {
            let status = self.site.client.try_get(path).await.map(|answer| answer.json()).unwrap_or_default();
            if status["processed_users"].as_u64() > Some(0) { Ok(status) } else { Err(status) }
        })
        .await
    }

    /// Waits until every job is final, and checks every invariant.
    pub(crate) async fn check(mut self) {
        for upload in self.uploads.iter().filter(|upload| !upload.deleted) {
            self.site.client.finished(&upload.path).await;
            upload.watcher.abort();
        }
        for upload in &mut self.uploads {
            match (&mut upload.watcher).await {
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                _ => {}
            }
        }
        invariants::check(&mut self).await;
    }
}

/// The numbers of a status never go back, and never exceed the whole.
async fn watch(client: Client, path: String) {
    let mut before = 0;
    loop {
        if let Some(answer) = client.try_get(&path).await.filter(|answer| answer.status == 200) {
            let status = answer.json();
            let number = |key: &str| status[key].as_u64().unwrap_or_else(|| panic!("no {key} in {status}"));
            let processed = number("processed_users");
            assert!(processed >= before, "{processed} rows after {before}: {status}");
            assert!(processed <= number("total_users"), "{status}");
            let sum = ["created_users", "updated_users", "unchanged_users", "failed_users"].map(number);
            assert_eq!(sum.iter().sum::<u64>(), processed, "{status}");
            before = processed;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
