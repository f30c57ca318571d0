//! A store runs the jobs of a tenant in order, fences splits, and applies each batch once.

use std::sync::Arc;
use std::time::Duration;

use muster_domain::scanner::RecordLimits;
use muster_domain::{
    BatchNo, Charset, CharsetSource, CheckedBatch, Compression, Dialect, ExceededQuota, Format, Handling, Header,
    IdempotencyKey, JobId, JobState, OwnTitles, Quotas, Rejection, RejectionCode, TenantId, spigit,
};
use muster_ports::{
    Applied, AppliedBatch, BatchStatus, BatchToApply, Cancellation, CreatedJob, Creation, CutRules, Deletion,
    Idempotency, JobFailure, MissingUsers, NewJob, NewToken, RawFile, RejectionPage, Scope, ShortRows, SplitJob,
    SplitResult, Store, TenantSettings, UserKey,
};
use muster_postgres::{PostgresConfig, PostgresStore};
use muster_runtime::Shutdown;
use muster_sqlite::SqliteStore;
use muster_testkit::Servers;

use crate::MUSTER;

const TITLES: [&str; 4] = ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM"];
const LEASE: Duration = Duration::from_mins(1);

macro_rules! suite {
    ($($scenario:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let folder = tempfile::tempdir().unwrap();
                super::$scenario(std::sync::Arc::new(muster_sqlite::SqliteStore::open(folder.path()).unwrap())).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                super::$scenario(super::postgres_store().await).await;
            })*
        }
    };
}

suite!(
    tokens_are_valid_until_they_expire_or_are_revoked,
    jobs_of_a_tenant_run_in_the_order_of_their_creation,
    concurrent_uploads_with_one_key_create_one_job,
    new_passwords_are_limited_by_the_quota_of_the_hour,
    a_key_can_be_reused_when_its_job_is_deleted_or_the_key_has_expired,
    concurrent_uploads_exceed_no_quota,
    a_job_has_one_split_lease_and_a_stale_one_is_ignored,
    a_redelivered_batch_changes_nothing,
    concurrent_deliveries_of_a_batch_apply_it_once,
    a_batch_is_open_until_it_is_applied_or_its_job_ends,
    a_split_that_gives_up_cannot_end_before_an_applied_batch,
    a_job_is_finished_once_and_only_when_complete,
    batches_of_a_job_that_is_not_running_are_dropped,
    a_running_job_cannot_be_deleted,
    a_job_whose_upload_is_lost_fails_and_keeps_its_applied_rows,
    cancellation_wins_over_a_file_error_found_by_the_split,
    a_restarted_split_keeps_the_published_size,
    an_earlier_row_never_overwrites_a_later_one,
);

pub(super) async fn postgres_store() -> Arc<PostgresStore> {
    open_postgres_store(&Servers::create(MUSTER).await)
}

pub(super) fn open_postgres_store(servers: &Servers) -> Arc<PostgresStore> {
    let config = PostgresConfig {
        url: servers.database_url.clone().into(),
        max_connections: 6,
        application_name: "contract suite".to_owned(),
        acquire_timeout: Duration::from_secs(10),
    };
    Arc::new(PostgresStore::new(&config, Shutdown::new()).unwrap())
}

pub(super) async fn create_tenant(store: &dyn Store, name: &str) -> TenantId {
    store.create_tenant(name, TenantSettings::default()).await.unwrap().unwrap()
}

pub(super) async fn create_job(store: &dyn Store, tenant: TenantId) -> JobId {
    create_job_from(store, new_job(tenant)).await.id
}

async fn create_job_from(store: &dyn Store, job: NewJob) -> CreatedJob {
    match store.create_job(job).await.unwrap() {
        Creation::New(job) => job,
        other => panic!("expected a new job, found {other:?}"),
    }
}

fn new_job(tenant: TenantId) -> NewJob {
    NewJob {
        tenant,
        dialect: Dialect::Spigit,
        handling: Handling::Strict,
        raw: RawFile {
            key: "1/abc".to_owned(),
            bytes: 100,
            sha256: [7; 32],
            compression: Compression::Identity,
            format: Format::Csv,
            charset: Charset::UTF_8,
            charset_source: Some(CharsetSource::Content),
            sheet: None,
        },
        titles: TITLES.map(str::to_owned).to_vec(),
        ignored_keys: Vec::new(),
        cut: CutRules::default(),
        blocks_missing_users: false,
        idempotency: None,
        quotas: Quotas::default(),
    }
}

pub(super) async fn lease_split(store: &dyn Store, job: JobId) -> SplitJob {
    store.lease_split(job, LEASE).await.unwrap().expect("the job cannot be split")
}

fn rows(users: &[&str]) -> CheckedBatch {
    let header = Header::from_titles(TITLES.map(str::to_owned).to_vec());
    let text: Vec<String> = users.iter().map(|user| format!("{user}@x,{user},F,L\n")).collect();
    let text = text.concat();
    spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, text.as_bytes())
}

pub(super) fn batch(tenant: TenantId, job: JobId, number: u32, offsets: (u64, u64), users: &[&str]) -> BatchToApply {
    BatchToApply {
        tenant,
        job,
        batch: BatchNo(number),
        first_offset: offsets.0,
        end_offset: offsets.1,
        rows: Arc::new(rows(users)),
        row_by_row: false,
        records_named_users: false,
        publication: None,
    }
}

pub(super) fn split_end(batches: u32, rows: u64, bytes: u64) -> SplitResult {
    SplitResult { batches, rows, bytes, blank_rows: 0, skipped_lines: 0, file_error: None }
}

async fn tokens_are_valid_until_they_expire_or_are_revoked(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    assert_eq!(store.create_tenant("one", TenantSettings::default()).await.unwrap(), None, "names are unique");
    let token = |byte, lifetime_seconds| NewToken {
        tenant,
        sha256: [byte; 32],
        prefix: "muster_abc".to_owned(),
        scopes: vec![Scope::ImportRead],
        expires_in_seconds: lifetime_seconds,
    };
    let unlimited = store.create_token(token(1, None)).await.unwrap();
    store.create_token(token(2, Some(3600))).await.unwrap();
    store.create_token(token(3, Some(0))).await.unwrap();
    let grant = store.find_grant(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((grant.tenant, grant.scopes), (tenant, vec![Scope::ImportRead]));
    assert_eq!(grant.settings, TenantSettings::default());
    let mut own_titles = OwnTitles::default();
    own_titles.set("Kürzel", "USERNAME").unwrap();
    let settings = TenantSettings {
        short_rows: ShortRows::Pad,
        missing_users: MissingUsers::Block,
        missing_guard_percent: 100,
        missing_guard_min: 7,
        charset: Some(Charset::WINDOWS_1251),
        own_titles: Arc::new(own_titles),
        quotas: Quotas {
            stored_bytes: Some(1 << 40),
            unfinished_jobs: None,
            uploads_per_day: Some(3),
            new_passwords_per_hour: Some(9),
        },
    };
    store.set_tenant_settings(tenant, settings.clone()).await.unwrap();
    assert_eq!(store.find_grant(&[1; 32]).await.unwrap().map(|grant| grant.settings), Some(settings));
    assert!(store.find_grant(&[2; 32]).await.unwrap().is_some());
    assert_eq!(store.find_grant(&[3; 32]).await.unwrap(), None, "expired");
    assert_eq!(store.find_grant(&[4; 32]).await.unwrap(), None, "unknown");
    assert!(store.revoke_token(unlimited).await.unwrap());
    assert!(!store.revoke_token(unlimited).await.unwrap());
    assert_eq!(store.find_grant(&[1; 32]).await.unwrap(), None, "revoked");
    assert_eq!(store.list_tokens(tenant).await.unwrap().len(), 3);
}

async fn jobs_of_a_tenant_run_in_the_order_of_their_creation(store: Arc<dyn Store>) {
    let (one, two) = (create_tenant(&*store, "one").await, create_tenant(&*store, "two").await);
    let first = create_job_from(&*store, new_job(one)).await;
    let second = create_job_from(&*store, new_job(one)).await;
    let other = create_job_from(&*store, new_job(two)).await;
    assert_eq!([first.can_start, second.can_start, other.can_start], [true, false, true]);
    assert_eq!(store.jobs_to_split().await.unwrap(), [first.id, other.id]);
    assert!(store.lease_split(second.id, LEASE).await.unwrap().is_none(), "the first is unfinished");

    let split = lease_split(&*store, first.id).await;
    assert!(store.finish_split(split.lease, split_end(0, 0, 10)).await.unwrap());
    let finished = store.finish_job(first.id).await.unwrap().unwrap();
    assert_eq!((finished.state, finished.next), (JobState::Success, Some(second.id)));
    lease_split(&*store, second.id).await;
}

fn new_job_with_key(tenant: TenantId, key: &str, kept: Duration) -> NewJob {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    NewJob { idempotency: Some(Idempotency { key, key_lifetime: kept }), ..new_job(tenant) }
}

async fn concurrent_uploads_with_one_key_create_one_job(store: Arc<dyn Store>) {
    let (one, two) = (create_tenant(&*store, "one").await, create_tenant(&*store, "two").await);
    let upload = || new_job_with_key(one, "k", LEASE);
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (store, job) = (store.clone(), upload());
        uploads.spawn(async move { store.create_job(job).await.unwrap() });
    }
    let creations = uploads.join_all().await;
    let new: Vec<_> = creations.iter().filter(|creation| matches!(creation, Creation::New(_))).collect();
    let [Creation::New(job)] = new[..] else { panic!("expected one new job, found {new:?}") };
    assert_eq!(creations.iter().filter(|creation| **creation == Creation::Existing(job.id)).count(), 49);

    let other_file = RawFile { sha256: [9; 32], ..upload().raw };
    let other_compression = RawFile { compression: Compression::Gzip, ..upload().raw };
    for other in [
        NewJob { raw: other_file, ..upload() },
        NewJob { raw: other_compression, ..upload() },
        NewJob { handling: Handling::Lenient, ..upload() },
    ] {
        assert_eq!(store.create_job(other).await.unwrap(), Creation::KeyReused);
    }
    create_job_from(&*store, new_job_with_key(two, "k", LEASE)).await;
    create_job_from(&*store, new_job_with_key(one, "K", LEASE)).await;
    create_job_from(&*store, new_job(one)).await;
    create_job_from(&*store, new_job(one)).await;
}

async fn concurrent_uploads_exceed_no_quota(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let upload = |quotas| NewJob { quotas, ..new_job(tenant) };
    let unfinished = Quotas { unfinished_jobs: Some(3), ..Quotas::default() };
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, job) = (store.clone(), upload(unfinished));
        uploads.spawn(async move { store.create_job(job).await.unwrap() });
    }
    let creations = uploads.join_all().await;
    let refused = Creation::QuotaExceeded(ExceededQuota::UnfinishedJobs(3));
    assert_eq!(creations.iter().filter(|creation| **creation == refused).count(), 17, "{creations:?}");

    // Each upload has 100 bytes.
    let stored = Quotas { stored_bytes: Some(450), ..Quotas::default() };
    let fourth = create_job_from(&*store, upload(stored)).await.id;
    assert_eq!(store.quota_usage(tenant).await.unwrap().stored_bytes, 400);
    let refused = Creation::QuotaExceeded(ExceededQuota::StoredBytes(450));
    assert_eq!(store.create_job(upload(stored)).await.unwrap(), refused);
    store.delete_job(tenant, fourth).await.unwrap();
    create_job_from(&*store, upload(stored)).await;

    let daily = Quotas { uploads_per_day: Some(2), ..Quotas::default() };
    let keyed = NewJob { quotas: daily, ..new_job_with_key(tenant, "k", LEASE) };
    let first = create_job_from(&*store, keyed.clone()).await.id;
    let second = create_job_from(&*store, upload(daily)).await.id;
    store.delete_job(tenant, second).await.unwrap();
    let refused = Creation::QuotaExceeded(ExceededQuota::UploadsPerDay(2));
    assert_eq!(store.create_job(upload(daily)).await.unwrap(), refused, "a deleted job was an upload, too");
    assert_eq!(store.create_job(keyed).await.unwrap(), Creation::Existing(first), "a repeated upload is not refused");
    let other = create_tenant(&*store, "two").await;
    create_job_from(&*store, NewJob { quotas: daily, ..new_job(other) }).await;
}

async fn new_passwords_are_limited_by_the_quota_of_the_hour(store: Arc<dyn Store>) {
    let (one, two) = (create_tenant(&*store, "one").await, create_tenant(&*store, "two").await);
    let quotas = Quotas { new_passwords_per_hour: Some(10), ..Quotas::default() };
    store.set_tenant_settings(one, TenantSettings { quotas, ..TenantSettings::default() }).await.unwrap();
    let take = async |tenant, passwords| store.take_password_quota(tenant, passwords).await.unwrap();
    // More than the quota at once, or as many as are left. In a new hour it starts again, and so does the test.
    let first = take(one, 12).await;
    let second = take(one, 1).await;
    let other_hour = second && { take(one, 10).await };
    assert!(first && (!second || !other_hour), "the quota is used up");
    for _ in 0..3 {
        assert!(take(two, 1_000).await, "a tenant without a quota");
    }
}

async fn a_key_can_be_reused_when_its_job_is_deleted_or_the_key_has_expired(store: Arc<dyn Store>) {
    let one = create_tenant(&*store, "one").await;
    let first = create_job_from(&*store, new_job_with_key(one, "k", LEASE)).await;
    store.delete_job(one, first.id).await.unwrap();
    let second = create_job_from(&*store, new_job_with_key(one, "k", LEASE)).await;
    assert_eq!(store.create_job(new_job_with_key(one, "k", LEASE)).await.unwrap(), Creation::Existing(second.id));
    let third = create_job_from(&*store, new_job_with_key(one, "k", Duration::ZERO)).await;
    assert_eq!(store.create_job(new_job_with_key(one, "k", LEASE)).await.unwrap(), Creation::Existing(third.id));
    assert!(store.find_job(one, second.id).await.unwrap().is_some(), "the job is kept; only its key was taken over");
}

async fn a_job_has_one_split_lease_and_a_stale_one_is_ignored(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let stale = store.lease_split(job, Duration::ZERO).await.unwrap().unwrap().lease;
    muster_testkit::wait_until("the lease has expired", || async {
        let jobs = store.jobs_to_split().await.unwrap();
        if jobs == [job] { Ok(()) } else { Err(jobs) }
    })
    .await;
    let split = lease_split(&*store, job).await;
    assert_eq!((split.raw.clone(), split.titles.len(), split.cut), (new_job(tenant).raw, 4, CutRules::default()));
    assert!(store.lease_split(job, LEASE).await.unwrap().is_none(), "the lease is held");
    assert!(!store.renew_lease(stale, LEASE).await.unwrap());
    assert!(!store.finish_split(stale, split_end(7, 7, 7)).await.unwrap());
    store.release_lease(stale, true).await.unwrap();
    assert!(store.renew_lease(split.lease, LEASE).await.unwrap(), "a stale release changes nothing");
    store.release_lease(split.lease, false).await.unwrap();
    lease_split(&*store, job).await;
}

async fn a_redelivered_batch_changes_nothing(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    lease_split(&*store, job).await;
    let Applied::Committed(counts) = store.apply_batch(batch(tenant, job, 1, (0, 50), &["a", "b", "a"])).await.unwrap()
    else {
        panic!("expected the first delivery to be applied");
    };
    assert_eq!((counts.created, counts.unchanged), (2, 1));
    let again = store.apply_batch(batch(tenant, job, 1, (0, 50), &["x", "y"])).await.unwrap();
    assert_eq!(again, Applied::AlreadyApplied(counts));
    assert_eq!(store.find_user(tenant, UserKey::Username("x".to_owned())).await.unwrap(), None);
    assert_eq!(
        store.find_user(tenant, UserKey::Username("a".to_owned())).await.unwrap().unwrap().values["email"],
        "a@x"
    );
    let applied = store.applied_batches(job, BatchNo(0)).await.unwrap();
    assert_eq!(applied, [AppliedBatch { batch: BatchNo(1), failed: 0 }]);
    let totals = store.ledger_totals(job).await.unwrap();
    assert_eq!((totals.batches, totals.counts, totals.bytes), (1, counts, 50));
    let view = store.ledger_snapshot(job).await.unwrap();
    assert_eq!((view.batches, view.counts, view.bytes), (vec![BatchNo(1)], counts, 50));
    assert_eq!(store.record_attempt(job, BatchNo(1)).await.unwrap(), 1);
    assert_eq!(store.record_attempt(job, BatchNo(1)).await.unwrap(), 2);
}

async fn concurrent_deliveries_of_a_batch_apply_it_once(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    lease_split(&*store, job).await;
    for number in 1..=10 {
        let user = format!("user{number}");
        let offsets = (u64::from(number) * 10 - 10, u64::from(number) * 10);
        let deliver = || store.apply_batch(batch(tenant, job, number, offsets, &[&user]));
        let (one, two, three) = tokio::join!(deliver(), deliver(), deliver());
        let applied = [one.unwrap(), two.unwrap(), three.unwrap()];
        assert_eq!(applied.iter().filter(|applied| matches!(applied, Applied::Committed(_))).count(), 1, "{applied:?}");
    }
    assert_eq!(store.ledger_totals(job).await.unwrap().counts.created, 10);
}

async fn a_batch_is_open_until_it_is_applied_or_its_job_ends(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let status = async |number| store.batch_status(job, BatchNo(number)).await.unwrap();
    assert_eq!(status(1).await, BatchStatus::NotRunning, "the job has not started");
    lease_split(&*store, job).await;
    assert_eq!(status(1).await, BatchStatus::Open);
    let Applied::Committed(counts) = store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap() else {
        panic!("expected the batch to be applied");
    };
    assert_eq!(status(1).await, BatchStatus::Applied(counts));
    store.cancel_job(tenant, job).await.unwrap();
    assert_eq!(status(2).await, BatchStatus::NotRunning);
    assert_eq!(status(1).await, BatchStatus::Applied(counts));
    assert_eq!(store.batch_status(JobId(job.0 + 1), BatchNo(1)).await.unwrap(), BatchStatus::NotRunning);
}

async fn a_split_that_gives_up_cannot_end_before_an_applied_batch(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let split = lease_split(&*store, job).await;
    store.apply_batch(batch(tenant, job, 2, (50, 100), &["b"])).await.unwrap();
    let error = Rejection::new(3, None, RejectionCode::TooManyErrors, "more than 0 rows failed".to_owned());
    let end = |batches| SplitResult { file_error: Some(error.clone()), ..split_end(batches, 1, 50) };
    assert!(!store.finish_split(split.lease, end(1)).await.unwrap(), "batch 2 is applied");
    assert!(store.finish_split(split.lease, end(2)).await.unwrap());
    let late = store.apply_batch(batch(tenant, job, 3, (100, 150), &["c"])).await.unwrap();
    assert_eq!(late, Applied::NotRunning, "an earlier split published it");
    assert_eq!(store.find_user(tenant, UserKey::Username("c".to_owned())).await.unwrap(), None);
}

async fn a_job_is_finished_once_and_only_when_complete(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let split = lease_split(&*store, job).await;
    store.apply_batch(batch(tenant, job, 2, (50, 100), &["b"])).await.unwrap();
    assert_eq!(store.finish_job(job).await.unwrap(), None, "the split is unfinished");
    assert!(store.finish_split(split.lease, split_end(2, 2, 100)).await.unwrap());
    assert_eq!(store.finish_job(job).await.unwrap(), None, "a batch is missing");
    let progress = async || {
        let running = store.running_jobs().await.unwrap();
        running.iter().map(|job| (job.job, job.applied, job.total_batches)).collect::<Vec<_>>()
    };
    assert_eq!(progress().await, [(job, 1, Some(2))]);
    store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap();
    assert_eq!(progress().await, [(job, 2, Some(2))]);
    let (one, two) = tokio::join!(store.finish_job(job), store.finish_job(job));
    let finished: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(finished.len(), 1);
    assert_eq!((finished[0].state, finished[0].counts.created, finished[0].next), (JobState::Success, 2, None));
    let view = store.find_job(tenant, job).await.unwrap().unwrap();
    assert_eq!(
        (view.state, view.total_rows, view.final_counts.map(|counts| counts.created)),
        (JobState::Success, Some(2), Some(2))
    );
}

async fn batches_of_a_job_that_is_not_running_are_dropped(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let apply = || store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"]));
    assert_eq!(apply().await.unwrap(), Applied::NotRunning, "pending");
    let split = lease_split(&*store, job).await;
    store.finish_split(split.lease, split_end(0, 0, 0)).await.unwrap();
    store.finish_job(job).await.unwrap().unwrap();
    assert_eq!(apply().await.unwrap(), Applied::NotRunning, "final");
    store.delete_job(tenant, job).await.unwrap();
    assert_eq!(apply().await.unwrap(), Applied::NotRunning, "deleted");
    assert!(store.job_rules(job).await.unwrap().is_none());
    assert_eq!(store.find_user(tenant, UserKey::Username("a".to_owned())).await.unwrap(), None);
}

async fn a_running_job_cannot_be_deleted(store: Arc<dyn Store>) {
    let (one, two) = (create_tenant(&*store, "one").await, create_tenant(&*store, "two").await);
    let (first, second) = (create_job(&*store, one).await, create_job(&*store, one).await);
    assert_eq!(store.delete_job(two, first).await.unwrap(), Deletion::Unknown, "the job belongs to another tenant");
    let split = lease_split(&*store, first).await;
    assert_eq!(store.delete_job(one, first).await.unwrap(), Deletion::Processing);
    store.apply_batch(batch(one, first, 1, (0, 50), &["a", "", "b"])).await.unwrap();
    store.finish_split(split.lease, split_end(1, 3, 50)).await.unwrap();
    store.finish_job(first).await.unwrap().unwrap();
    let page = RejectionPage { after_line: 0, limit: 10 };
    assert_eq!(store.list_rejections(one, first, page).await.unwrap().len(), 1);
    let deleted = store.delete_job(one, first).await.unwrap();
    assert_eq!(deleted, Deletion::Deleted { raw_key: "1/abc".to_owned(), next: Some(second) });
    assert_eq!(store.find_job(one, first).await.unwrap(), None);
    assert!(store.find_user(one, UserKey::Username("a".to_owned())).await.unwrap().is_some(), "users stay");
}

async fn a_job_whose_upload_is_lost_fails_and_keeps_its_applied_rows(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let (first, second) = (create_job(&*store, tenant).await, create_job(&*store, tenant).await);
    let stale = lease_split(&*store, first).await.lease;
    store.apply_batch(batch(tenant, first, 1, (0, 50), &["a"])).await.unwrap();
    store.release_lease(stale, false).await.unwrap();
    let split = lease_split(&*store, first).await;
    let lost = || Rejection::new(1, None, RejectionCode::RawMissing, "it is gone");
    assert_eq!(store.fail_job(stale, lost()).await.unwrap(), JobFailure::LeaseLost, "a stale lease");
    let failure = store.fail_job(split.lease, lost()).await.unwrap();
    assert_eq!(failure, JobFailure::Failed { now: true, next: Some(second) });
    let view = store.find_job(tenant, first).await.unwrap().unwrap();
    assert_eq!((view.state, view.final_counts.unwrap().created), (JobState::Failed, 1));
    assert_eq!(view.file_error.unwrap().code, RejectionCode::RawMissing);
    let late = store.apply_batch(batch(tenant, first, 2, (50, 100), &["b"])).await.unwrap();
    assert_eq!(late, Applied::NotRunning);
    lease_split(&*store, second).await;
}

async fn cancellation_wins_over_a_file_error_found_by_the_split(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let split = lease_split(&*store, job).await;
    store.apply_batch(batch(tenant, job, 1, (0, 50), &["a"])).await.unwrap();
    let unclosed = Rejection::new(9, None, RejectionCode::QuoteUnclosed, "a quote");
    let end = SplitResult { file_error: Some(unclosed), ..split_end(2, 2, 100) };
    assert!(store.finish_split(split.lease, end).await.unwrap());
    assert_eq!(store.cancel_job(tenant, job).await.unwrap(), Cancellation::Canceled { now: true, next: None });
    let repeated = store.cancel_job(tenant, job).await.unwrap();
    assert_eq!(repeated, Cancellation::Canceled { now: false, next: None }, "a repeated request");
    let view = store.find_job(tenant, job).await.unwrap().unwrap();
    assert_eq!((view.state, view.final_counts.unwrap().created, view.file_error), (JobState::Canceled, 1, None));
}

async fn a_restarted_split_keeps_the_published_size(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    let split = lease_split(&*store, job).await;
    assert!(store.finish_split(split.lease, split_end(2, 20, 100)).await.unwrap());
    store.reset_unfinished().await.unwrap();
    let view = store.find_job(tenant, job).await.unwrap().unwrap();
    assert_eq!((view.total_rows, view.total_bytes), (Some(20), Some(100)), "clients have already seen it");
    lease_split(&*store, job).await;
}

/// The version check. It is a second defense: no order in which the queue delivers batches depends on it.
async fn an_earlier_row_never_overwrites_a_later_one(store: Arc<dyn Store>) {
    let tenant = create_tenant(&*store, "one").await;
    let job = create_job(&*store, tenant).await;
    lease_split(&*store, job).await;
    let with_line = |line: u64, name: &str| {
        let header = Header::from_titles(TITLES.map(str::to_owned).to_vec());
        let text = format!("a@x,a,{name},L\n");
        spigit::check_text(&header, Handling::Strict, RecordLimits::default(), line, text.as_bytes())
    };
    let later = BatchToApply { rows: Arc::new(with_line(9, "Later")), ..batch(tenant, job, 2, (50, 100), &[]) };
    store.apply_batch(later).await.unwrap();
    let earlier = BatchToApply { rows: Arc::new(with_line(2, "Earlier")), ..batch(tenant, job, 1, (0, 50), &[]) };
    store.apply_batch(earlier).await.unwrap();
    assert_eq!(
        store.find_user(tenant, UserKey::Username("a".to_owned())).await.unwrap().unwrap().values["first_name"],
        "Later"
    );
}

/// Since no second process can open the folder, leases are safe without a shared clock.
#[test]
fn a_data_folder_is_open_in_one_process_only() {
    let folder = tempfile::tempdir().unwrap();
    let owner = SqliteStore::open(folder.path()).unwrap();
    let error = SqliteStore::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(owner);
    SqliteStore::open(folder.path()).unwrap();
}
