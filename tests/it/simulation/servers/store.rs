//! The SQLite store as one process sees it, with simulated faults, and the invariants of each call.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, Counts, JobId, QuotaUsage, Rejection, TenantId, Warning};
use muster_ports::{
    Applied, AppliedBatch, BatchStatus, BatchToApply, Batches, Cancellation, Creation, Deletion, FinishedJob, Grant,
    JobFailure, JobQuery, JobRules, JobView, Jobs, KeyClash, Lease, LedgerSnapshot, LedgerTotals, NewJob, NewToken,
    Queries, QueueName, RejectionPage, Retention, RunningJob, SignalHub, Signals, SplitJob, SplitResult, Splits,
    StoreError, StoredUpload, TenantRecord, TenantSettings, Tenants, TokenRecord, Upkeep, UploadPosition,
    UploadToRemove, UserKey, UserRecord, WarningPage,
};
use muster_sqlite::SqliteStore;

use super::truth::{Committed, Truth};
use crate::simulation::process::Process;
use crate::simulation::world::{Event, Port};

/// The store as one process sees it.
pub(crate) struct SimStore {
    pub(crate) process: Arc<Process>,
    pub(crate) truth: Arc<Truth>,
    pub(crate) inner: Arc<SqliteStore>,
}

impl SimStore {
    /// Makes a call. Time passes before each of its transactions and after the last one; at these steps the
    /// call may fail or the process may die. `observe` gets the result of a successful call.
    async fn call<T>(
        &self,
        event: Event,
        work: impl Future<Output = Result<T, StoreError>>,
        observe: impl FnOnce(&T),
    ) -> Result<T, StoreError> {
        let (process, world) = (&self.process, &self.process.world);
        let mut work = pin!(work);
        let result = loop {
            // The simulated store yields before each transaction.
            if let Poll::Ready(result) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
                break result;
            }
            process.step().await;
            if world.fails_before_effect(Port::Store) {
                process.record(event, "failed");
                return Err(self.failure());
            }
        };
        process.record(event, "");
        match &result {
            Ok(result) => observe(result),
            Err(error) => world.report_violation(&format!("{} of {}:{}: {error}", event.what, event.job, event.batch)),
        }
        process.step().await;
        if world.fails_after_effect(Port::Store) {
            process.record(event, "reply lost");
            return Err(StoreError::Unavailable(None));
        }
        result
    }

    /// What a sick database answers: it cannot be reached, another transaction holds a lock, or it must be repaired.
    fn failure(&self) -> StoreError {
        match self.process.world.rng().u32(0..3) {
            0 => StoreError::Unavailable(None),
            1 => StoreError::Contention { code: "40P01".to_owned() },
            _ => StoreError::NeedsRepair { code: "42501".to_owned() },
        }
    }

    /// Makes a call that has no invariant to check.
    async fn call_unobserved<T>(
        &self,
        event: Event,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call(event, work, |_| {}).await
    }
}

#[async_trait]
impl Tenants for SimStore {
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError> {
        self.call_unobserved(Event::new("create_tenant"), self.inner.create_tenant(name, settings)).await
    }

    async fn set_tenant_settings(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError> {
        self.call_unobserved(Event::new("set_tenant_settings"), self.inner.set_tenant_settings(tenant, settings)).await
    }

    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.call_unobserved(Event::new("list_tenants"), self.inner.list_tenants()).await
    }

    async fn list_key_clashes(&self, tenant: Option<TenantId>) -> Result<Vec<KeyClash>, StoreError> {
        self.call_unobserved(Event::new("list_key_clashes"), self.inner.list_key_clashes(tenant)).await
    }

    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError> {
        self.call_unobserved(Event::new("create_token"), self.inner.create_token(token)).await
    }

    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError> {
        self.call_unobserved(Event::new("list_tokens"), self.inner.list_tokens(tenant)).await
    }

    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.call_unobserved(Event::new("revoke_token"), self.inner.revoke_token(id)).await
    }

    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError> {
        self.call_unobserved(Event::new("find_grant"), self.inner.find_grant(token_sha256)).await
    }
}

#[async_trait]
impl Jobs for SimStore {
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError> {
        self.call_unobserved(Event::new("create_job"), self.inner.create_job(job)).await
    }

    async fn quota_usage(&self, tenant: TenantId) -> Result<QuotaUsage, StoreError> {
        self.call_unobserved(Event::new("quota_usage"), self.inner.quota_usage(tenant)).await
    }

    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError> {
        self.call_unobserved(Event::for_job("delete_job", job.0), self.inner.delete_job(tenant, job)).await
    }

    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError> {
        self.call_unobserved(Event::for_job("cancel_job", job.0), self.inner.cancel_job(tenant, job)).await
    }

    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        let observe = |finished: &Option<FinishedJob>| {
            if finished.is_some() {
                self.process.record(Event::for_job("finish_job", job.0), "FINISHED");
                self.truth.observe_finish(job);
            }
        };
        self.call(Event::for_job("finish_job", job.0), self.inner.finish_job(job), observe).await
    }
}

#[async_trait]
impl Splits for SimStore {
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError> {
        let observe = |split: &Option<SplitJob>| {
            if let Some(split) = split {
                self.process.record(Event::for_job("lease_split", job.0), "LEASED");
                self.truth.observe_lease(split.lease);
            }
        };
        self.call(Event::for_job("lease_split", job.0), self.inner.lease_split(job, duration), observe).await
    }

    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError> {
        let observe = |accepted: &bool| {
            if *accepted {
                self.truth.observe_fence(lease, "the renewed lease");
            }
        };
        self.call(Event::for_job("renew_lease", lease.job.0), self.inner.renew_lease(lease, duration), observe).await
    }

    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError> {
        self.call_unobserved(Event::for_job("release_lease", lease.job.0), self.inner.release_lease(lease, stalled))
            .await
    }

    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<AppliedBatch>, StoreError> {
        self.call_unobserved(Event::for_job("applied_batches", job.0), self.inner.applied_batches(job, after)).await
    }

    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<JobFailure, StoreError> {
        let observe = |failure: &JobFailure| {
            if matches!(failure, JobFailure::Failed { .. }) {
                self.truth.observe_fence(lease, "the failure");
            }
        };
        self.call(Event::for_job("fail_job", lease.job.0), self.inner.fail_job(lease, error), observe).await
    }

    async fn finish_split(&self, lease: Lease, end: SplitResult) -> Result<bool, StoreError> {
        let event = Event::for_batch("finish_split", lease.job.0, end.batches);
        let observe = |accepted: &bool| {
            if *accepted {
                self.truth.observe_fence(lease, "the finished split");
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
                self.truth.observe_deletion(job);
            }
        };
        self.call(Event::for_job("job_rules", job.0), self.inner.job_rules(job), observe).await
    }

    async fn batch_status(&self, job: JobId, batch: BatchNo) -> Result<BatchStatus, StoreError> {
        let observe = |status: &BatchStatus| {
            if *status == BatchStatus::NotRunning {
                self.truth.observe_drop(job, batch);
            }
        };
        let event = Event::for_batch("batch_status", job.0, batch.0);
        self.call(event, self.inner.batch_status(job, batch), observe).await
    }

    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let event = Event::for_batch("count_attempts", job.0, batch.0);
        self.call_unobserved(event, self.inner.count_attempts(job, batch)).await
    }

    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let event = Event::for_batch("new_uids", job.0, batch.0);
        self.call_unobserved(event, self.inner.new_uids(tenant, job, batch, uids)).await
    }

    async fn take_password_quota(&self, tenant: TenantId, passwords: u64) -> Result<bool, StoreError> {
        let work = self.inner.take_password_quota(tenant, passwords);
        self.call_unobserved(Event::new("take_password_quota"), work).await
    }

    async fn undo_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError> {
        let event = Event::for_batch("undo_attempt", job.0, batch.0);
        self.call_unobserved(event, self.inner.undo_attempt(job, batch)).await
    }

    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError> {
        let (process, event) = (&self.process, Event::for_batch("record_attempt", job.0, batch.0));
        process.step().await;
        if process.world.fails_before_effect(Port::Store) {
            return Err(self.failure());
        }
        process.record(event, "");
        let attempts = self.inner.record_attempt(job, batch).await;
        // The result is never lost while the caller lives, so that each delivery records at most one attempt
        // and the limit of redeliveries also limits the attempts.
        process.step().await;
        attempts
    }

    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError> {
        let (tenant, job, number) = (batch.tenant.0, batch.job.0, batch.batch.0);
        let (first_offset, end_offset) = (batch.first_offset, batch.end_offset);
        let committed = Committed { first_offset, end_offset, counts: Counts::default(), order: 0 };
        let event = Event::for_batch("apply_batch", job, number);
        let observe = |applied: &Applied| {
            let result = match applied {
                Applied::Committed(_) => "APPLIED",
                Applied::AlreadyApplied(_) => "already applied",
                Applied::NotRunning => "not running",
            };
            self.process.record(event, result);
            self.truth.observe_apply(tenant, job, (number, committed), *applied);
        };
        self.call(event, self.inner.apply_batch(batch), observe).await
    }
}

#[async_trait]
impl Queries for SimStore {
    async fn check_ready(&self) -> Result<(), StoreError> {
        self.call_unobserved(Event::new("check_ready"), self.inner.check_ready()).await
    }

    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError> {
        self.call_unobserved(Event::for_job("find_job", job.0), self.inner.find_job(tenant, job)).await
    }

    async fn list_jobs(&self, tenant: TenantId, filter: JobQuery) -> Result<Vec<JobView>, StoreError> {
        self.call_unobserved(Event::new("list_jobs"), self.inner.list_jobs(tenant, filter)).await
    }

    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError> {
        self.call_unobserved(Event::for_job("ledger_totals", job.0), self.inner.ledger_totals(job)).await
    }

    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: RejectionPage,
    ) -> Result<Vec<Rejection>, StoreError> {
        self.call_unobserved(Event::for_job("list_rejections", job.0), self.inner.list_rejections(tenant, job, page))
            .await
    }

    async fn list_warnings(&self, tenant: TenantId, job: JobId, page: WarningPage) -> Result<Vec<Warning>, StoreError> {
        self.call_unobserved(Event::for_job("list_warnings", job.0), self.inner.list_warnings(tenant, job, page)).await
    }

    async fn find_user(&self, tenant: TenantId, key: UserKey) -> Result<Option<UserRecord>, StoreError> {
        self.call_unobserved(Event::new("find_user"), self.inner.find_user(tenant, key)).await
    }

    fn signals(&self, job: JobId) -> Signals {
        // Without signals, those who wait query once a second.
        if self.process.world.plan.signals { self.inner.signals(job) } else { SignalHub::default().subscribe(job) }
    }
}

#[async_trait]
impl Upkeep for SimStore {
    async fn try_acquire_leadership(&self, holder: &str, duration: Duration) -> Result<bool, StoreError> {
        let lead = async {
            tokio::task::yield_now().await;
            Ok(self.truth.try_lead(holder, duration))
        };
        self.call_unobserved(Event::new("lead"), lead).await
    }

    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError> {
        self.call_unobserved(Event::new("jobs_to_split"), self.inner.jobs_to_split()).await
    }

    async fn restart_split(&self, job: JobId) -> Result<bool, StoreError> {
        let event = Event::for_job("restart_split", job.0);
        let observe = |restarted: &bool| {
            if *restarted {
                self.process.record(event, "RESTARTED");
            }
        };
        self.call(event, self.inner.restart_split(job), observe).await
    }

    async fn newest_publication(&self, queue: QueueName) -> Result<Option<i64>, StoreError> {
        self.call_unobserved(Event::new("newest_publication"), self.inner.newest_publication(queue)).await
    }

    async fn jobs_to_stop(&self) -> Result<Vec<(TenantId, JobId)>, StoreError> {
        self.call_unobserved(Event::new("jobs_to_stop"), self.inner.jobs_to_stop()).await
    }

    async fn complete_stop(&self, tenant: TenantId, job: JobId) -> Result<Option<FinishedJob>, StoreError> {
        self.call_unobserved(Event::for_job("complete_stop", job.0), self.inner.complete_stop(tenant, job)).await
    }

    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError> {
        self.call_unobserved(Event::new("uploads_without_job"), self.inner.uploads_without_job(uploads, age)).await
    }

    async fn is_batch_outstanding(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError> {
        let event = Event::for_batch("is_batch_outstanding", job.0, batch.0);
        self.call_unobserved(event, self.inner.is_batch_outstanding(job, batch)).await
    }

    async fn remove_deleted(&self, limit: u32) -> Result<bool, StoreError> {
        self.call_unobserved(Event::new("remove_deleted"), self.inner.remove_deleted(limit)).await
    }

    async fn running_jobs(&self) -> Result<Vec<RunningJob>, StoreError> {
        self.call_unobserved(Event::new("running_jobs"), self.inner.running_jobs()).await
    }

    async fn ledger_snapshot(&self, job: JobId) -> Result<LedgerSnapshot, StoreError> {
        self.call_unobserved(Event::for_job("ledger_snapshot", job.0), self.inner.ledger_snapshot(job)).await
    }

    async fn reset_unfinished(&self) -> Result<(), StoreError> {
        self.call_unobserved(Event::new("reset_unfinished"), self.inner.reset_unfinished()).await
    }
}

#[async_trait]
impl Retention for SimStore {
    async fn uploads_to_remove(
        &self,
        age: Duration,
        after: Option<UploadPosition>,
        limit: u32,
    ) -> Result<Vec<UploadToRemove>, StoreError> {
        self.call_unobserved(Event::new("uploads_to_remove"), self.inner.uploads_to_remove(age, after, limit)).await
    }

    async fn record_upload_removed(&self, job: JobId) -> Result<(), StoreError> {
        self.call_unobserved(Event::for_job("record_upload_removed", job.0), self.inner.record_upload_removed(job))
            .await
    }

    async fn remove_rejections(&self, after: Duration, limit: u32) -> Result<bool, StoreError> {
        self.call_unobserved(Event::new("remove_rejections"), self.inner.remove_rejections(after, limit)).await
    }

    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError> {
        self.call_unobserved(Event::new("remove_attempts"), self.inner.remove_attempts(after, limit)).await
    }
}
