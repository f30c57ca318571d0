//! A store is patient with stalled jobs, and lets go what was kept for long enough.

use std::sync::Arc;
use std::time::Duration;

use muster_domain::{BatchNo, JobId, TenantId};
use muster_ports::{Deletion, PageAfter, Store};
use muster_sqlite::SqliteStore;
use muster_testkit::Servers;
use tempfile::TempDir;

use super::store::{batch, end, job, lease, postgres_store_on, tenant};
use crate::MUSTER;

const HOUR: Duration = Duration::from_hours(1);

/// A store, and a way to move its times back.
struct Fixture {
    store: Arc<dyn Store>,
    base: Base,
}

enum Base {
    Sqlite(TempDir),
    Postgres(Servers),
}

impl Fixture {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Arc::new(SqliteStore::open(folder.path()).unwrap()), base: Base::Sqlite(folder) }
    }

    async fn postgres() -> Self {
        let servers = Servers::private(MUSTER).await;
        Self { store: postgres_store_on(&servers), base: Base::Postgres(servers) }
    }

    /// Moves times of a table so many seconds back.
    async fn move_back(&self, table: &str, columns: &[&str], seconds: u32) {
        let set =
            |change: String| columns.iter().map(|c| format!("{c} = {c} - {change}")).collect::<Vec<_>>().join(", ");
        match &self.base {
            Base::Postgres(servers) => {
                let change = set(format!("interval '{seconds} seconds'"));
                servers.execute(&format!("update {table} set {change}")).await;
            }
            Base::Sqlite(folder) => {
                let connection = rusqlite::Connection::open(folder.path().join("muster.db")).unwrap();
                let change = set(format!("{seconds} * 1000"));
                connection.execute(&format!("update {table} set {change}"), []).unwrap();
            }
        }
    }

    async fn end_of_job(&self, tenant: TenantId, users: &[&str]) -> JobId {
        let job = job(&*self.store, tenant).await;
        let split = lease(&*self.store, job).await;
        self.store.apply_batch(batch(tenant, job, 1, (0, 50), users)).await.unwrap();
        self.store.finish_split(split.lease, end(1, users.len() as u64, 50)).await.unwrap();
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
    patience_begins_anew_once_the_ledger_has_grown,
    a_stalled_split_is_restarted_with_more_patience_until_the_ledger_grows,
    a_batch_is_missing_until_it_is_applied_or_its_job_ends,
    attempts_are_counted_taken_back_and_removed,
    an_upload_is_kept_for_its_time,
    rejections_go_in_pieces_and_nobody_sees_a_part,
    a_job_without_upload_and_rejections_can_be_deleted,
);

async fn patience_begins_anew_once_the_ledger_has_grown(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let job = job(store, tenant).await;
    let mut seconds = Vec::new();
    for number in [None, None, Some(1), None, Some(2)] {
        let split = lease(store, job).await;
        seconds.push(split.patience.as_secs());
        if let Some(number) = number {
            let offsets = (u64::from(number) * 50 - 50, u64::from(number) * 50);
            store.apply_batch(batch(tenant, job, number, offsets, &[&format!("user{number}")])).await.unwrap();
        }
        store.release_lease(split.lease, true).await.unwrap();
    }
    let split = lease(store, job).await;
    seconds.push(split.patience.as_secs());
    assert_eq!(seconds, [60, 120, 240, 120, 240, 120], "growth before the third and the last stall");
    store.apply_batch(batch(tenant, job, 3, (100, 150), &["c"])).await.unwrap();
    store.release_lease(split.lease, false).await.unwrap();
    assert_eq!(lease(store, job).await.patience.as_secs(), 60, "grown since");
}

async fn a_stalled_split_is_restarted_with_more_patience_until_the_ledger_grows(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let job = job(store, tenant).await;
    let stalls_after = async |seconds: u32| {
        let split = lease(store, job).await;
        assert!(store.finish_split(split.lease, end(3, 3, 150)).await.unwrap());
        let early = seconds - 10;
        fixture.move_back("jobs", &["split_at"], early).await;
        fixture.move_back("ledger", &["applied_at"], early).await;
        assert_eq!(store.restart_stalled_splits().await.unwrap(), [], "{early} seconds");
        fixture.move_back("jobs", &["split_at"], 11).await;
        fixture.move_back("ledger", &["applied_at"], 11).await;
        assert_eq!(store.restart_stalled_splits().await.unwrap(), [job], "{seconds} seconds");
        assert_eq!(store.restart_stalled_splits().await.unwrap(), [], "not split yet");
    };
    stalls_after(60).await;
    stalls_after(120).await;
    stalls_after(240).await;
    store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap();
    stalls_after(60).await;
    stalls_after(120).await;
}

async fn a_batch_is_missing_until_it_is_applied_or_its_job_ends(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let job = job(store, tenant).await;
    let missing = async |number| store.batch_is_missing(job, BatchNo(number)).await.unwrap();
    let split = lease(store, job).await;
    assert!(missing(1).await);
    store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap();
    assert_eq!((missing(1).await, missing(2).await), (false, true));
    store.finish_split(split.lease, end(1, 1, 50)).await.unwrap();
    store.finish_job(job).await.unwrap().unwrap();
    assert!(!missing(2).await, "final");
    assert!(!store.batch_is_missing(JobId(99), BatchNo(1)).await.unwrap(), "gone");
}

async fn attempts_are_counted_taken_back_and_removed(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let job = fixture.end_of_job(tenant, &["a"]).await;
    let count = async || store.count_attempts(job, BatchNo(1)).await.unwrap();
    assert_eq!(count().await, 0);
    assert_eq!(store.record_attempt(job, BatchNo(1)).await.unwrap(), 1);
    assert_eq!(store.record_attempt(job, BatchNo(1)).await.unwrap(), 2);
    store.forget_attempt(job, BatchNo(1)).await.unwrap();
    assert_eq!(count().await, 1);
    store.remove_attempts(HOUR, 10).await.unwrap();
    assert_eq!(count().await, 1, "its job has only just ended");
    fixture.move_back("jobs", &["finished_at"], 3601).await;
    store.remove_attempts(HOUR, 10).await.unwrap();
    assert_eq!(count().await, 0);
}

async fn an_upload_is_kept_for_its_time(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let ended = fixture.end_of_job(tenant, &["a"]).await;
    let running = job(store, tenant).await;
    lease(store, running).await;
    let due = async |after| store.uploads_to_remove(after, 10).await.unwrap();
    assert_eq!(due(HOUR).await, []);
    assert_eq!(due(Duration::ZERO).await, [(ended, "1/abc".to_owned())]);
    fixture.move_back("jobs", &["finished_at"], 3601).await;
    assert_eq!(due(HOUR).await, [(ended, "1/abc".to_owned())]);
    assert_eq!(store.uploads_to_remove(HOUR, 0).await.unwrap(), [], "so many at most");
    store.note_upload_removed(ended).await.unwrap();
    store.note_upload_removed(running).await.unwrap();
    assert_eq!(due(Duration::ZERO).await, []);
}

async fn rejections_go_in_pieces_and_nobody_sees_a_part(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let job = fixture.end_of_job(tenant, &["a", "", "", ""]).await;
    let left = async || store.list_rejections(tenant, job, PageAfter { line: 0, limit: 10 }).await.unwrap().len();
    let view = async || store.find_job(tenant, job).await.unwrap().unwrap();
    assert!(!store.remove_reports(HOUR, 2).await.unwrap(), "not yet");
    assert_eq!((left().await, view().await.reports_removed), (3, false));
    fixture.move_back("jobs", &["finished_at"], 3601).await;
    assert!(store.remove_reports(HOUR, 2).await.unwrap());
    assert_eq!((left().await, view().await.reports_removed), (1, true));
    assert!(store.remove_reports(HOUR, 2).await.unwrap());
    assert_eq!(left().await, 0);
    assert!(!store.remove_reports(HOUR, 2).await.unwrap(), "nothing is left to do");
    assert_eq!(view().await.final_counts.unwrap().failed, 3, "the counts stay");
}

async fn a_job_without_upload_and_rejections_can_be_deleted(fixture: Fixture) {
    let store = &*fixture.store;
    let tenant = tenant(store, "one").await;
    let job = fixture.end_of_job(tenant, &["a", ""]).await;
    while store.remove_reports(Duration::ZERO, 10).await.unwrap() {}
    store.note_upload_removed(job).await.unwrap();
    assert!(matches!(store.delete_job(tenant, job).await.unwrap(), Deletion::Deleted { .. }));
    assert_eq!(store.find_job(tenant, job).await.unwrap(), None);
}
