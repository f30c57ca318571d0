//! The real store on SQLite as one process sees it, and what must be true of each of its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId, Rejection, TenantId};
use muster_ports::{
    Applied, BatchToApply, Batches, Cancellation, Creation, Deletion, FinishedJob, Grant, JobFilter, JobRules, JobView,
    Jobs, Lease, LedgerTotals, LedgerView, NewJob, NewToken, PageAfter, Reports, Retention, Signals, SplitEnd,
    SplitJob, Splits, StoreError, StoredUpload, TenantRecord, TenantSettings, Tenants, TokenRecord, Upkeep, UserRecord,
};
use muster_sqlite::SqliteStore;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::process::Process;
use super::world::{Event, Port, World, lock};

/// A batch whose transaction was committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committed {
    pub(crate) first_offset: u64,
    pub(crate) end_offset: u64,
    pub(crate) counts: Counts,
}

/// What was committed, as seen at the port in the moment of each commit.
pub(crate) struct Truth {
    world: Arc<World>,
    facts: Mutex<Facts>,
}

#[derive(Default)]
struct Facts {
    applied: BTreeMap<i64, BTreeMap<u32, Committed>>,
    /// Batches of jobs that were not running, and never will be.
    dropped: BTreeSet<(i64, u32)>,
    /// Jobs that are not there any more.
    gone: BTreeSet<i64>,
    finished: BTreeSet<i64>,
    /// The last lease of each job.
    fences: BTreeMap<i64, i64>,
    /// The job of each tenant that was applied last.
    running: BTreeMap<i64, i64>,
    leader: Option<(String, Instant)>,
}

impl Truth {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), facts: Mutex::default() })
    }

    /// Whether the message of a batch is not needed any more.
    pub(crate) fn is_settled(&self, job: i64, batch: u32) -> bool {
        let facts = lock(&self.facts);
        let applied = facts.applied.get(&job).is_some_and(|batches| batches.contains_key(&batch));
        applied || facts.dropped.contains(&(job, batch)) || facts.gone.contains(&job)
    }

    /// The committed batches of a job.
    pub(crate) fn batches(&self, job: i64) -> BTreeMap<u32, Committed> {
        lock(&self.facts).applied.get(&job).cloned().unwrap_or_default()
    }

    /// The sums of the committed batches of a job.
    pub(crate) fn sums(&self, job: i64) -> (u64, Counts) {
        let batches = self.batches(job);
        let mut counts = Counts::default();
        for batch in batches.values() {
            counts.add(&batch.counts);
        }
        (batches.len() as u64, counts)
    }

    fn observe_apply(&self, tenant: i64, job: i64, (batch, committed): (u32, Committed), applied: Applied) {
        let mut facts = lock(&self.facts);
        match applied {
            Applied::Now(counts) => {
                let committed = Committed { counts, ..committed };
                if facts.applied.entry(job).or_default().insert(batch, committed).is_some() {
                    self.world.violate(&format!("batch {job}:{batch} is applied twice"));
                }
                let before = facts.running.insert(tenant, job).unwrap_or_default();
                if before > job {
                    self.world.violate(&format!("job {job} is applied after the later job {before}"));
                }
            }
            Applied::NotRunning => {
                facts.dropped.insert((job, batch));
            }
            Applied::Before(_) => {}
        }
    }

    fn observe_lease(&self, lease: Lease) {
        let before = lock(&self.facts).fences.insert(lease.job.0, lease.fence).unwrap_or_default();
        if lease.fence <= before {
            self.world.violate(&format!("the fence of job {} does not grow", lease.job));
        }
    }

    /// A write under a lease was taken.
    fn observe_fence(&self, lease: Lease, what: &str) {
        if lock(&self.facts).fences.get(&lease.job.0) != Some(&lease.fence) {
            self.world.violate(&format!("{what} of job {} is taken under a stale lease", lease.job));
        }
    }

    fn observe_finish(&self, job: JobId) {
        if !lock(&self.facts).finished.insert(job.0) {
            self.world.violate(&format!("job {job} is finished twice"));
        }
    }

    /// The lease of the reconcilers: in Postgres a row, for which SQLite has no need.
    fn lead(&self, holder: &str, duration: Duration) -> bool {
        let mut facts = lock(&self.facts);
        let now = Instant::now();
        let free = facts.leader.as_ref().is_none_or(|(leader, until)| leader == holder || *until < now);
        if free {
            facts.leader = Some((holder.to_owned(), now + duration));
        }
        free
    }
}

/// The store as one process sees it.
pub(crate) struct SimStore {
    pub(crate) process: Arc<Process>,
    pub(crate) truth: Arc<Truth>,
    pub(crate) inner: Arc<SqliteStore>,
}

impl SimStore {
    /// Lets time pass before each transaction of a call and after the last; fails or dies there.
    async fn call<T>(
        &self,
        event: Event,
        work: impl Future<Output = Result<T, StoreError>>,
        observe: impl FnOnce(&T),
    ) -> Result<T, StoreError> {
        let (process, world) = (&self.process, &self.process.world);
        let mut work = pin!(work);
        let answer = loop {
            // The simulated store yields before each transaction.
            if let Poll::Ready(answer) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
                break answer;
            }
            process.step().await;
            if world.fails_before(Port::Store) {
                process.note(event, "failed");
                return Err(StoreError::Unavailable(None));
            }
        };
        process.note(event, "");
        match &answer {
            Ok(answer) => observe(answer),
            Err(error) => world.violate(&format!("{} of {}:{}: {error}", event.what, event.job, event.batch)),
        }
        process.step().await;
        if world.fails_after(Port::Store) {
            process.note(event, "answer lost");
            return Err(StoreError::Unavailable(None));
        }
        answer
    }

    async fn plain<T>(&self, event: Event, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.call(event, work, |_| {}).await
    }
}

#[async_trait]
impl Tenants for SimStore {
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError> {
        self.plain(Event::of("create_tenant"), self.inner.create_tenant(name, settings)).await
    }

    async fn set_tenant(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError> {
        self.plain(Event::of("set_tenant"), self.inner.set_tenant(tenant, settings)).await
    }

    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.plain(Event::of("list_tenants"), self.inner.list_tenants()).await
    }

    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError> {
        self.plain(Event::of("create_token"), self.inner.create_token(token)).await
    }

    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError> {
        self.plain(Event::of("list_tokens"), self.inner.list_tokens(tenant)).await
    }

    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.plain(Event::of("revoke_token"), self.inner.revoke_token(id)).await
    }

    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError> {
        self.plain(Event::of("find_grant"), self.inner.find_grant(token_sha256)).await
    }
}

#[async_trait]
impl Jobs for SimStore {
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError> {
        self.plain(Event::of("create_job"), self.inner.create_job(job)).await
    }

    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError> {
        self.plain(Event::job("delete_job", job.0), self.inner.delete_job(tenant, job)).await
    }

    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError> {
        self.plain(Event::job("cancel_job", job.0), self.inner.cancel_job(tenant, job)).await
    }

    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        let observe = |finished: &Option<FinishedJob>| {
            if finished.is_some() {
                self.process.note(Event::job("finish_job", job.0), "FINISHED");
                self.truth.observe_finish(job);
            }
        };
        self.call(Event::job("finish_job", job.0), self.inner.finish_job(job), observe).await
    }
}

#[async_trait]
impl Splits for SimStore {
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError> {
        let observe = |split: &Option<SplitJob>| {
            if let Some(split) = split {
                self.process.note(Event::job("lease_split", job.0), "LEASED");
                self.truth.observe_lease(split.lease);
            }
        };
        self.call(Event::job("lease_split", job.0), self.inner.lease_split(job, duration), observe).await
    }

    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError> {
        let observe = |taken: &bool| {
            if *taken {
                self.truth.observe_fence(lease, "the renewal");
            }
        };
        self.call(Event::job("renew_lease", lease.job.0), self.inner.renew_lease(lease, duration), observe).await
    }

    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError> {
        self.plain(Event::job("release_lease", lease.job.0), self.inner.release_lease(lease, stalled)).await
    }

    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<BatchNo>, StoreError> {
        self.plain(Event::job("applied_batches", job.0), self.inner.applied_batches(job, after)).await
    }

    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<bool, StoreError> {
        let observe = |taken: &bool| {
            if *taken {
                self.truth.observe_fence(lease, "the end");
            }
        };
        self.call(Event::job("fail_job", lease.job.0), self.inner.fail_job(lease, error), observe).await
    }

    async fn finish_split(&self, lease: Lease, end: SplitEnd) -> Result<bool, StoreError> {
        let event = Event::batch("finish_split", lease.job.0, end.batches);
        let observe = |taken: &bool| {
            if *taken {
                self.truth.observe_fence(lease, "the split");
            }
        };
        self.call(event, self.inner.finish_split(lease, end), observe).await
    }
}

#[async_trait]
impl Batches for SimStore {
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError> {
        let observe = |rules: &Option<JobRules>| {
            if rules.is_none() {
                lock(&self.truth.facts).gone.insert(job.0);
            }
        };
        self.call(Event::job("job_rules", job.0), self.inner.job_rules(job), observe).await
    }

    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let event = Event::batch("count_attempts", job.0, batch.0);
        self.plain(event, self.inner.count_attempts(job, batch)).await
    }

    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let event = Event::batch("new_uids", job.0, batch.0);
        self.plain(event, self.inner.new_uids(tenant, job, batch, uids)).await
    }

    async fn forget_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError> {
        let event = Event::batch("forget_attempt", job.0, batch.0);
        self.plain(event, self.inner.forget_attempt(job, batch)).await
    }

    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let (process, event) = (&self.process, Event::batch("record_attempt", job.0, batch.0));
        process.step().await;
        if process.world.fails_before(Port::Store) {
            return Err(StoreError::Unavailable(None));
        }
        process.note(event, "");
        let noted = self.inner.record_attempt(job, batch).await;
        // Its answer is never lost, though its caller may be: each attempt is noted once, so that the
        // broker's count of redeliveries bounds it.
        process.step().await;
        noted
    }

    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError> {
        let (tenant, job, number) = (batch.tenant.0, batch.job.0, batch.batch.0);
        let (first_offset, end_offset) = (batch.first_offset, batch.end_offset);
        let committed = Committed { first_offset, end_offset, counts: Counts::default() };
        let event = Event::batch("apply_batch", job, number);
        let observe = |applied: &Applied| {
            let fate = match applied {
                Applied::Now(_) => "APPLIED",
                Applied::Before(_) => "before",
                Applied::NotRunning => "not running",
            };
            self.process.note(event, fate);
            self.truth.observe_apply(tenant, job, (number, committed), *applied);
        };
        self.call(event, self.inner.apply_batch(batch), observe).await
    }
}

#[async_trait]
impl Reports for SimStore {
    async fn check_ready(&self) -> Result<(), StoreError> {
        self.plain(Event::of("check_ready"), self.inner.check_ready()).await
    }

    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        self.plain(Event::job("find_job", job.0), self.inner.find_job(tenant, job)).await
    }

    async fn list_jobs(&self, tenant: TenantId, filter: JobFilter) -> Result<Vec<JobView>, StoreError> {
        self.plain(Event::of("list_jobs"), self.inner.list_jobs(tenant, filter)).await
    }

    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError> {
        self.plain(Event::job("ledger_totals", job.0), self.inner.ledger_totals(job)).await
    }

    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: PageAfter,
    ) -> Result<Vec<Rejection>, StoreError> {
        self.plain(Event::job("list_rejections", job.0), self.inner.list_rejections(tenant, job, page)).await
    }

    async fn find_user(&self, tenant: TenantId, username_key: &str) -> Result<Option<UserRecord>, StoreError> {
        self.plain(Event::of("find_user"), self.inner.find_user(tenant, username_key)).await
    }

    fn signals(&self) -> Signals {
        if self.process.world.plan.signals { self.inner.signals() } else { Signals::new(broadcast::channel(1).1) }
    }
}

#[async_trait]
impl Upkeep for SimStore {
    async fn lead(&self, holder: &str, duration: Duration) -> Result<bool, StoreError> {
        let lead = async {
            tokio::task::yield_now().await;
            Ok(self.truth.lead(holder, duration))
        };
        self.plain(Event::of("lead"), lead).await
    }

    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError> {
        self.plain(Event::of("jobs_to_split"), self.inner.jobs_to_split()).await
    }

    async fn restart_stalled_splits(&self) -> Result<Vec<JobId>, StoreError> {
        let observe = |jobs: &Vec<JobId>| {
            for job in jobs {
                self.process.note(Event::job("restart_stalled_splits", job.0), "RESTARTED");
            }
        };
        self.call(Event::of("restart_stalled_splits"), self.inner.restart_stalled_splits(), observe).await
    }

    async fn jobs_to_finish(&self) -> Result<Vec<JobId>, StoreError> {
        self.plain(Event::of("jobs_to_finish"), self.inner.jobs_to_finish()).await
    }

    async fn complete_stops(&self) -> Result<Vec<FinishedJob>, StoreError> {
        self.plain(Event::of("complete_stops"), self.inner.complete_stops()).await
    }

    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError> {
        self.plain(Event::of("uploads_without_job"), self.inner.uploads_without_job(uploads, age)).await
    }

    async fn batch_is_missing(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError> {
        let event = Event::batch("batch_is_missing", job.0, batch.0);
        self.plain(event, self.inner.batch_is_missing(job, batch)).await
    }

    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError> {
        self.plain(Event::of("running_jobs"), self.inner.running_jobs()).await
    }

    async fn ledger_view(&self, job: JobId) -> Result<LedgerView, StoreError> {
        self.plain(Event::job("ledger_view", job.0), self.inner.ledger_view(job)).await
    }

    async fn begin_anew(&self) -> Result<(), StoreError> {
        self.plain(Event::of("begin_anew"), self.inner.begin_anew()).await
    }
}

#[async_trait]
impl Retention for SimStore {
    async fn uploads_to_remove(&self, after: Duration, limit: u32) -> Result<Vec<(JobId, String)>, StoreError> {
        self.plain(Event::of("uploads_to_remove"), self.inner.uploads_to_remove(after, limit)).await
    }

    async fn note_upload_removed(&self, job: JobId) -> Result<(), StoreError> {
        self.plain(Event::job("note_upload_removed", job.0), self.inner.note_upload_removed(job)).await
    }

    async fn remove_reports(&self, after: Duration, limit: u32) -> Result<bool, StoreError> {
        self.plain(Event::of("remove_reports"), self.inner.remove_reports(after, limit)).await
    }

    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError> {
        self.plain(Event::of("remove_attempts"), self.inner.remove_attempts(after, limit)).await
    }
}
