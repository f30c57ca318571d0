//! A site under test, the files uploaded to it, and the irregularities that the test expects.

pub(crate) mod files;
pub(crate) mod invariants;
pub(crate) mod model;

use std::collections::BTreeSet;
use std::time::Duration;

use muster_testkit::{Client, Site, wait_until};
use serde_json::Value;
use tokio::task::JoinHandle;

use files::File;

/// One upload of a trial.
pub(crate) struct Upload {
    pub(crate) path: String,
    pub(crate) file: File,
    pub(crate) deleted: bool,
    watcher: JoinHandle<()>,
}

/// A site under test, its uploads, and the irregularities that [`Trial::check`] expects.
pub(crate) struct Trial {
    pub(crate) site: Site,
    pub(crate) uploads: Vec<Upload>,
    /// Lines of new users that fail as `not_applied`, because of the fault.
    pub(crate) not_applied_lines: BTreeSet<u64>,
    /// The expected number of dead letters.
    pub(crate) dead_letters: u32,
    /// Whether the raw store may hold uploads without a job, which the sweep removes later.
    pub(crate) may_leave_orphans: bool,
}

impl Trial {
    pub(crate) fn new(site: Site) -> Self {
        Self {
            site,
            uploads: Vec::new(),
            not_applied_lines: BTreeSet::new(),
            dead_letters: 0,
            may_leave_orphans: false,
        }
    }

    /// Uploads a file and watches its status until the check.
    pub(crate) async fn upload(&mut self, file: File) -> String {
        let path = self.site.client.upload(file.csv()).await;
        self.record_upload(path.clone(), file);
        path
    }

    /// Records a file that was accepted, and watches its status.
    pub(crate) fn record_upload(&mut self, path: String, file: File) {
        #[expect(clippy::disallowed_methods, reason = "joined by `check`")]
        let watcher = tokio::spawn(watch_status(self.site.client.clone(), path.clone()));
        self.uploads.push(Upload { path, file, deleted: false, watcher });
    }

    /// Records that a file was deleted after its end. Its users remain.
    pub(crate) fn record_deletion(&mut self, path: &str) {
        let upload = self.uploads.iter_mut().find(|upload| upload.path == path).unwrap();
        upload.watcher.abort();
        upload.deleted = true;
    }

    /// Waits until the status of a job counts the first rows.
    pub(crate) async fn wait_for_first_rows(&self, path: &str) -> Value {
        wait_until("some rows are applied", || async {
            let status = self.site.client.try_get(path).await.map(|response| response.json()).unwrap_or_default();
            if status["processed_users"].as_u64() > Some(0) { Ok(status) } else { Err(status) }
        })
        .await
    }

    /// Waits until every job is final, and checks every invariant.
    pub(crate) async fn check(mut self) {
        for upload in self.uploads.iter().filter(|upload| !upload.deleted) {
            self.site.client.wait_until_final(&upload.path).await;
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

/// Polls a status: its counts add up, never decrease, and never exceed the total.
async fn watch_status(client: Client, path: String) {
    let mut before = 0;
    loop {
        if let Some(response) = client.try_get(&path).await.filter(|response| response.status == 200) {
            let status = response.json();
            let number = |key: &str| status[key].as_u64().unwrap_or_else(|| panic!("no {key} in {status}"));
            let processed = number("processed_users");
            assert!(processed >= before, "{processed} processed rows after {before}: {status}");
            assert!(processed <= number("total_users"), "{status}");
            let sum = ["created_users", "updated_users", "unchanged_users", "failed_users"].map(number);
            assert_eq!(sum.iter().sum::<u64>(), processed, "{status}");
            before = processed;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
