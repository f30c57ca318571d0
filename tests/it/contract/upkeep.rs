//! A store restarts stalled jobs after growing intervals, and removes data whose retention has ended.

use std::sync::Arc;
use std::time::Duration;

use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{BatchToApply, Deletion, Publication, QueueName, RejectionPage, Store};
use muster_sqlite::SqliteStore;
use muster_testkit::Servers;
use tempfile::TempDir;

use super::store::{batch, create_job, create_tenant, lease_split, open_postgres_store, split_end};
use crate::MUSTER;

const HOUR: Duration = Duration::from_hours(1);

/// A store whose stored times can be moved into the past.
struct Fixture {
    store: Arc<dyn Store>,
    database: Database,
}

enum Database {
    Sqlite(TempDir),
    Postgres(Servers),
}

impl Fixture {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Arc::new(SqliteStore::open(folder.path()).unwrap()), database: Database::Sqlite(folder) }
    }

    async fn postgres() -> Self {
        let servers = Servers::create(MUSTER).await;
        Self { store: open_postgres_store(&servers), database: Database::Postgres(servers) }
    }

    /// Moves the times in these columns into the past.
    async fn move_back(&self, table: &str, columns: &[&str], seconds: u32) {
        let set =
            |change: String| columns.iter().map(|c| format!("{c} = {c} - {change}")).collect::<Vec<_>>().join(", ");
        match &self.database {
            Database::Postgres(servers) => {
                let change = set(format!("interval '{seconds} seconds'"));
                servers.execute(&format!("update {table} set {change}")).await;
            }
            Database::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("muster.db")).unwrap();
                let change = set(format!("{seconds} * 1000"));
                connection.execute(&format!("update {table} set {change}"), []).unwrap();
            }
        }
    }

    /// Creates a job with one batch and runs it to its end.
    async fn run_job(&self, tenant: TenantId, users: &[&str]) -> JobId {
        let job = create_job(&*self.store, tenant).await;
        let split = lease_split(&*self.store, job).await;
        self.store.apply_batch(batch(tenant, job, 1, (0, 50), users)).await.unwrap();
        self.store.finish_split(split.lease, split_end(1, users.len() as u64, 50)).await.unwrap();
        self.store.finish_job(job).await.unwrap().unwrap();
        job
    }
}

macro_rules! suite {
    ($($scenario:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(super::Fixture::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(super::Fixture::postgres().await).await;
            })*
        }
    };
}

suite!(
    the_stall_timeout_is_reset_when_the_ledger_grows,
    stalled_splits_are_restarted_after_a_timeout_that_doubles_until_the_ledger_grows,
    a_batch_is_missing_until_it_is_applied_or_its_job_ends,
    attempts_are_counted_undone_and_removed,
    an_upload_is_due_for_removal_after_its_retention,
    uploads_are_due_page_by_page,
    what_a_deleted_job_leaves_is_removed_in_chunks,
    the_newest_applied_publication_of_a_queue_is_known,
    rejections_are_removed_in_chunks_and_marked_as_removed_at_the_first,
    a_job_whose_upload_and_rejections_were_removed_can_be_deleted,
);

async fn the_stall_timeout_is_reset_when_the_ledger_grows(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = create_job(store, tenant).await;
    let mut seconds = Vec::new();
    for number in [None, None, Some(1), None, Some(2)] {
        let split = lease_split(store, job).await;
        seconds.push(split.stall_timeout.as_secs());
        if let Some(number) = number {
            let offsets = (u64::from(number) * 50 - 50, u64::from(number) * 50);
            store.apply_batch(batch(tenant, job, number, offsets, &[&format!("user{number}")])).await.unwrap();
        }
        store.release_lease(split.lease, true).await.unwrap();
    }
    let split = lease_split(store, job).await;
    seconds.push(split.stall_timeout.as_secs());
    assert_eq!(seconds, [60, 120, 240, 120, 240, 120], "the ledger grew during the third and the fifth split");
    store.apply_batch(batch(tenant, job, 3, (100, 150), &["c"])).await.unwrap();
    store.release_lease(split.lease, false).await.unwrap();
    assert_eq!(
        lease_split(store, job).await.stall_timeout.as_secs(),
        60,
        "the ledger grew and the split did not stall"
    );
}

async fn stalled_splits_are_restarted_after_a_timeout_that_doubles_until_the_ledger_grows(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = create_job(store, tenant).await;
    let overdue = async || -> Vec<JobId> {
        let running = store.running_jobs().await.unwrap();
        running.into_iter().filter(|job| job.is_overdue).map(|job| job.job).collect()
    };
    let assert_restarted_after = async |seconds: u32| {
        let split = lease_split(store, job).await;
        assert!(store.finish_split(split.lease, split_end(3, 3, 150)).await.unwrap());
        let early = seconds - 10;
        fixture.move_back("jobs", &["split_at"], early).await;
        fixture.move_back("ledger", &["applied_at"], early).await;
        assert_eq!(overdue().await, [], "{early} seconds");
        fixture.move_back("jobs", &["split_at"], 11).await;
        fixture.move_back("ledger", &["applied_at"], 11).await;
        assert_eq!(overdue().await, [job], "{seconds} seconds");
        assert!(store.restart_split(job).await.unwrap());
        assert_eq!(overdue().await, [], "the new split is unfinished");
        assert!(!store.restart_split(job).await.unwrap(), "there is no split to restart");
    };
    assert_restarted_after(60).await;
    assert_restarted_after(120).await;
    assert_restarted_after(240).await;
    store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap();
    assert_restarted_after(60).await;
    assert_restarted_after(120).await;
}

async fn a_batch_is_missing_until_it_is_applied_or_its_job_ends(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = create_job(store, tenant).await;
    let missing = async |number| store.is_batch_outstanding(job, BatchNo(number)).await.unwrap();
    let split = lease_split(store, job).await;
    assert!(missing(1).await);
    store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap();
    assert_eq!((missing(1).await, missing(2).await), (false, true));
    store.finish_split(split.lease, split_end(1, 1, 50)).await.unwrap();
    store.finish_job(job).await.unwrap().unwrap();
    assert!(!missing(2).await, "the job is final");
    assert!(!store.is_batch_outstanding(JobId(99), BatchNo(1)).await.unwrap(), "the job does not exist");
}

async fn attempts_are_counted_undone_and_removed(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = fixture.run_job(tenant, &["a"]).await;
    let attempts = async || store.count_attempts(job, BatchNo(1)).await.unwrap();
    assert_eq!(attempts().await, 0);
    assert_eq!(store.record_attempt(job, BatchNo(1)).await.unwrap(), 1);
    assert_eq!(store.record_attempt(job, BatchNo(1)).await.unwrap(), 2);
    store.undo_attempt(job, BatchNo(1)).await.unwrap();
    assert_eq!(attempts().await, 1);
    store.remove_attempts(HOUR, 10).await.unwrap();
    assert_eq!(attempts().await, 1, "the job ended less than an hour ago");
    fixture.move_back("jobs", &["finished_at"], 3601).await;
    store.remove_attempts(HOUR, 10).await.unwrap();
    assert_eq!(attempts().await, 0);
}

async fn an_upload_is_due_for_removal_after_its_retention(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let ended = fixture.run_job(tenant, &["a"]).await;
    let running = create_job(store, tenant).await;
    lease_split(store, running).await;
    let due = async |age| -> Vec<(JobId, String)> {
        let uploads = store.uploads_to_remove(age, None, 10).await.unwrap();
        uploads.into_iter().map(|upload| (upload.job, upload.raw_key)).collect()
    };
    assert_eq!(due(HOUR).await, []);
    assert_eq!(due(Duration::ZERO).await, [(ended, "1/abc".to_owned())]);
    fixture.move_back("jobs", &["finished_at"], 3601).await;
    assert_eq!(due(HOUR).await, [(ended, "1/abc".to_owned())]);
    assert_eq!(store.uploads_to_remove(HOUR, None, 0).await.unwrap(), [], "the limit is respected");
    store.record_upload_removed(ended).await.unwrap();
    store.record_upload_removed(running).await.unwrap();
    assert_eq!(due(Duration::ZERO).await, []);
}

async fn uploads_are_due_page_by_page(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let mut ended = Vec::new();
    for user in ["a", "b", "c"] {
        ended.push(fixture.run_job(tenant, &[user]).await);
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.uploads_to_remove(Duration::ZERO, after, 1).await.unwrap();
        let Some(upload) = page.first() else { break };
        after = Some(upload.position);
        found.push(upload.job);
    }
    assert_eq!(found, ended, "none is removed, and each is returned once");
}

async fn what_a_deleted_job_leaves_is_removed_in_chunks(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = fixture.run_job(tenant, &["a", "", "", ""]).await;
    assert!(matches!(store.delete_job(tenant, job).await.unwrap(), Deletion::Deleted { .. }));
    let rejections =
        async || store.list_rejections(tenant, job, RejectionPage { after_line: 0, limit: 10 }).await.unwrap().len();
    assert_eq!(store.find_job(tenant, job).await.unwrap(), None);
    assert_eq!(rejections().await, 3, "the deletion returns before they are removed");
    assert!(store.remove_deleted(2).await.unwrap());
    assert_eq!(rejections().await, 1);
    assert!(store.remove_deleted(2).await.unwrap());
    assert_eq!(rejections().await, 0);
    assert!(!store.remove_deleted(2).await.unwrap(), "nothing is left");
}

async fn the_newest_applied_publication_of_a_queue_is_known(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = create_job(store, tenant).await;
    lease_split(store, job).await;
    let publication = |published_ms| Some(Publication { queue: QueueName::Batch, published_ms });
    for (number, published_ms) in [(1, 5_000), (2, 4_000)] {
        let offsets = (u64::from(number) * 50 - 50, u64::from(number) * 50);
        let batch = BatchToApply { publication: publication(published_ms), ..batch(tenant, job, number, offsets, &[]) };
        store.apply_batch(batch).await.unwrap();
    }
    assert_eq!(store.newest_publication(QueueName::Batch).await.unwrap(), Some(5_000));
    assert_eq!(store.newest_publication(QueueName::BatchSmall).await.unwrap(), None);
}

async fn rejections_are_removed_in_chunks_and_marked_as_removed_at_the_first(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = fixture.run_job(tenant, &["a", "", "", ""]).await;
    let remaining =
        async || store.list_rejections(tenant, job, RejectionPage { after_line: 0, limit: 10 }).await.unwrap().len();
    let view = async || store.find_job(tenant, job).await.unwrap().unwrap();
    assert!(!store.remove_rejections(HOUR, 2).await.unwrap(), "the retention has not ended");
    assert_eq!((remaining().await, view().await.rejections_removed), (3, false));
    fixture.move_back("jobs", &["finished_at"], 3601).await;
    assert!(store.remove_rejections(HOUR, 2).await.unwrap());
    assert_eq!((remaining().await, view().await.rejections_removed), (1, true));
    assert!(store.remove_rejections(HOUR, 2).await.unwrap());
    assert_eq!(remaining().await, 0);
    assert!(!store.remove_rejections(HOUR, 2).await.unwrap(), "no rejections remain");
    assert_eq!(view().await.final_counts.unwrap().failed, 3, "the counts stay");
}

async fn a_job_whose_upload_and_rejections_were_removed_can_be_deleted(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = create_tenant(store, "one").await;
    let job = fixture.run_job(tenant, &["a", ""]).await;
    while store.remove_rejections(Duration::ZERO, 10).await.unwrap() {}
    store.record_upload_removed(job).await.unwrap();
    assert!(matches!(store.delete_job(tenant, job).await.unwrap(), Deletion::Deleted { .. }));
    assert_eq!(store.find_job(tenant, job).await.unwrap(), None);
}
