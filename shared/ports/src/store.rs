//! The database: the truth about tenants, jobs, the ledger and users.

use std::time::Duration;

use async_trait::async_trait;
use muster_domain::{BatchNo, JobId, Rejection, TenantId};
use tokio::sync::broadcast;

use crate::counters::LedgerView;
use crate::error::StoreError;
use crate::job::{
    Applied, BatchToApply, Cancellation, Creation, Deletion, FinishedJob, JobFilter, JobRules, JobView, Lease,
    LedgerTotals, NewJob, PageAfter, SplitEnd, SplitJob,
};
use crate::rawstore::StoredUpload;
use crate::tenant::{Grant, NewToken, TenantRecord, TenantSettings, TokenRecord, UserRecord};

/// All that the database does.
pub trait Store: Tenants + Jobs + Splits + Batches + Reports + Upkeep + Retention {}

impl<T: Tenants + Jobs + Splits + Batches + Reports + Upkeep + Retention> Store for T {}

/// Tenants and their tokens.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Makes a tenant. Nothing if the name is taken.
    async fn create_tenant(&self, name: &str, settings: TenantSettings) -> Result<Option<TenantId>, StoreError>;
    /// Sets what may be set for a tenant. Jobs that were accepted before keep what they were accepted with.
    async fn set_tenant(&self, tenant: TenantId, settings: TenantSettings) -> Result<(), StoreError>;
    /// All tenants, by name.
    async fn list_tenants(&self) -> Result<Vec<TenantRecord>, StoreError>;
    /// Stores a token and gives its id.
    async fn create_token(&self, token: NewToken) -> Result<i64, StoreError>;
    /// The tokens of a tenant, oldest first.
    async fn list_tokens(&self, tenant: TenantId) -> Result<Vec<TokenRecord>, StoreError>;
    /// Revokes a token. Says whether there was one that was not revoked.
    async fn revoke_token(&self, id: i64) -> Result<bool, StoreError>;
    /// What a token stands for. Nothing if it is unknown, revoked or past its end.
    async fn find_grant(&self, token_sha256: &[u8; 32]) -> Result<Option<Grant>, StoreError>;
}

/// Accepting and deleting jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Accepts a job. The ids of a tenant become visible in their order. Of uploads with one
    /// idempotency key, however many come at once, the first makes a job.
    async fn create_job(&self, job: NewJob) -> Result<Creation, StoreError>;
    /// Deletes a job, its ledger and its rejections, unless it is being processed. Users stay.
    async fn delete_job(&self, tenant: TenantId, job: JobId) -> Result<Deletion, StoreError>;
    /// Stops what has not been applied of a job. What has been stays.
    async fn cancel_job(&self, tenant: TenantId, job: JobId) -> Result<Cancellation, StoreError>;
    /// Moves a job to its final state if its ledger is complete and joins without a gap from the
    /// file's start to its end. Nothing if it is not complete, or final already.
    async fn finish_job(&self, job: JobId) -> Result<Option<FinishedJob>, StoreError>;
}

/// Splitting jobs.
#[async_trait]
pub trait Splits: Send + Sync {
    /// Takes the right to split a job. Nothing if another splitter has it, an earlier job of the
    /// tenant is unfinished, the job is not there, or it is split or final already.
    async fn lease_split(&self, job: JobId, duration: Duration) -> Result<Option<SplitJob>, StoreError>;
    /// Prolongs a lease. False if it was lost.
    async fn renew_lease(&self, lease: Lease, duration: Duration) -> Result<bool, StoreError>;
    /// Gives a lease back, so that another splitter may begin at once. A split that made no
    /// progress is begun anew with more patience.
    async fn release_lease(&self, lease: Lease, stalled: bool) -> Result<(), StoreError>;
    /// The applied batches of a job with a number greater than `after`, in order.
    async fn applied_batches(&self, job: JobId, after: BatchNo) -> Result<Vec<BatchNo>, StoreError>;
    /// Ends a job whose stored upload cannot be read (any more), as failed, with what is applied so
    /// far. Batches still on their way are dropped. False if the lease was lost.
    async fn fail_job(&self, lease: Lease, error: Rejection) -> Result<bool, StoreError>;
    /// Writes down what the split came to. False if the lease was lost.
    async fn finish_split(&self, lease: Lease, end: SplitEnd) -> Result<bool, StoreError>;
}

/// Applying batches.
#[async_trait]
pub trait Batches: Send + Sync {
    /// What a worker must know of a job. Nothing if the job is not there.
    async fn job_rules(&self, job: JobId) -> Result<Option<JobRules>, StoreError>;
    /// How often it was noted that a redelivered batch was begun again.
    async fn count_attempts(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError>;
    /// Notes that a redelivered batch is begun again. Gives the number of times so noted.
    async fn record_attempt(&self, job: JobId, batch: BatchNo) -> Result<u32, StoreError>;
    /// Takes the last note back: the worker broke the attempt off itself.
    async fn forget_attempt(&self, job: JobId, batch: BatchNo) -> Result<(), StoreError>;
    /// Of these uids, those that no user of the tenant has. None if the batch is in the ledger.
    async fn new_uids(
        &self,
        tenant: TenantId,
        job: JobId,
        batch: BatchNo,
        uids: Vec<String>,
    ) -> Result<Vec<String>, StoreError>;
    /// Applies a batch: its users, its rejections and its ledger row in one transaction.
    async fn apply_batch(&self, batch: BatchToApply) -> Result<Applied, StoreError>;
}

/// Reading.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Whether the database answers and has the schema that this version needs.
    async fn check_ready(&self) -> Result<(), StoreError>;
    /// A job of a tenant.
    async fn find_job(&self, tenant: TenantId, job: JobId) -> Result<Option<JobView>, StoreError>;
    /// Jobs of a tenant, newest first.
    async fn list_jobs(&self, tenant: TenantId, filter: JobFilter) -> Result<Vec<JobView>, StoreError>;
    /// Sums over the ledger of a job.
    async fn ledger_totals(&self, job: JobId) -> Result<LedgerTotals, StoreError>;
    /// Rejections of a job, in line order.
    async fn list_rejections(
        &self,
        tenant: TenantId,
        job: JobId,
        page: PageAfter,
    ) -> Result<Vec<Rejection>, StoreError>;
    /// A user of a tenant by folded user name.
    async fn find_user(&self, tenant: TenantId, username_key: &str) -> Result<Option<UserRecord>, StoreError>;
    /// Tells about jobs that made progress, in this process or in any other.
    fn signals(&self) -> Signals;
}

/// What the reconciler asks.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Whether `holder` is the one reconciler for the next `duration`.
    async fn lead(&self, holder: &str, duration: Duration) -> Result<bool, StoreError>;
    /// Jobs that may be split now and that no splitter holds.
    async fn jobs_to_split(&self) -> Result<Vec<JobId>, StoreError>;
    /// Split jobs whose missing batches have not come for too long. Their split begins anew.
    async fn restart_stalled_splits(&self) -> Result<Vec<JobId>, StoreError>;
    /// Split jobs whose ledger has as many rows as they have batches.
    async fn jobs_to_finish(&self) -> Result<Vec<JobId>, StoreError>;
    /// Ends jobs whose stop was begun and not completed. Gives those that it ended.
    async fn complete_stops(&self) -> Result<Vec<FinishedJob>, StoreError>;
    /// Of these uploads, the keys of those that are older than `age` and belong to no job.
    async fn uploads_without_job(&self, uploads: Vec<StoredUpload>, age: Duration) -> Result<Vec<String>, StoreError>;
    /// Whether an unfinished job still waits for this batch.
    async fn batch_is_missing(&self, job: JobId, batch: BatchNo) -> Result<bool, StoreError>;
    /// Jobs that are being processed.
    async fn running_jobs(&self) -> Result<Vec<JobId>, StoreError>;
    /// A snapshot of the ledger of a job, to rebuild its counters from.
    async fn ledger_view(&self, job: JobId) -> Result<LedgerView, StoreError>;
    /// Voids every lease and every split of an unfinished job: for an embedded start, when no other
    /// process can hold one and the queue is empty.
    async fn begin_anew(&self) -> Result<(), StoreError>;
}

/// What is removed of jobs that have been final for a while. Each call does a bounded piece of work.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Jobs that have been final for so long and whose stored upload is there, with its key; so many
    /// at most.
    async fn uploads_to_remove(&self, after: Duration, limit: u32) -> Result<Vec<(JobId, String)>, StoreError>;
    /// Notes that the stored upload of a job is gone.
    async fn note_upload_removed(&self, job: JobId) -> Result<(), StoreError>;
    /// Removes rejections of a job that has been final for so long; so many at most. From its first
    /// call on, nobody is shown any of them. False if there is nothing to do.
    async fn remove_reports(&self, after: Duration, limit: u32) -> Result<bool, StoreError>;
    /// Removes notes of attempts of jobs that have been final for so long; so many at most.
    async fn remove_attempts(&self, after: Duration, limit: u32) -> Result<(), StoreError>;
}

/// Jobs that made progress: a batch was applied, or the job became final.
///
/// Signals may be lost; whoever waits looks for itself at least once a second.
#[derive(Debug)]
pub struct Signals {
    receiver: broadcast::Receiver<JobId>,
}

impl Signals {
    /// Follows a channel of signals.
    pub fn new(receiver: broadcast::Receiver<JobId>) -> Self {
        Self { receiver }
    }

    /// Waits until the job makes progress, or for a second.
    pub async fn progress(&mut self, job: JobId) {
        let next = async {
            loop {
                match self.receiver.recv().await {
                    Ok(signalled) if signalled != job => {}
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), next).await;
    }
}
