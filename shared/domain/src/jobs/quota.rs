//! Quotas of a tenant: how much it may store and import.

/// The quotas of a tenant. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// The bytes of stored uploads, without what the raw store saves by packing them.
    pub stored_bytes: Option<u64>,
    /// The number of jobs that are not final.
    pub unfinished_jobs: Option<u64>,
    /// The number of accepted uploads between two midnights UTC. Deleting a job does not reduce it.
    pub uploads_per_day: Option<u64>,
    /// The number of passwords of new users that are hashed in one hour of the clock. Batches beyond it wait.
    pub new_passwords_per_hour: Option<u64>,
}

/// What counts against the quotas of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaUsage {
    /// The bytes of stored uploads.
    pub stored_bytes: u64,
    /// The number of jobs that are not final.
    pub unfinished_jobs: u64,
    /// The number of uploads accepted since midnight UTC.
    pub uploads_in_day: u64,
}

/// The quota that an upload would exceed, with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExceededQuota {
    /// [`Quotas::stored_bytes`].
    #[error(
        "with this file the stored uploads of the tenant would exceed its quota of {0} bytes; delete files that are no \
         longer needed"
    )]
    StoredBytes(u64),
    /// [`Quotas::unfinished_jobs`].
    #[error("as many files as the quota of the tenant allows are unfinished ({0}); send this one when one has ended")]
    UnfinishedJobs(u64),
    /// [`Quotas::uploads_per_day`].
    #[error(
        "as many files as the quota of the tenant allows were uploaded today ({0}); send this one after midnight UTC"
    )]
    UploadsPerDay(u64),
}

impl Quotas {
    /// Whether no quota limits uploads, so that the usage need not be known.
    pub fn allow_all_uploads(&self) -> bool {
        self.stored_bytes.is_none() && self.unfinished_jobs.is_none() && self.uploads_per_day.is_none()
    }

    /// Returns the quota that an upload of `bytes` would exceed.
    pub fn exceeded_by(&self, usage: QuotaUsage, bytes: u64) -> Option<ExceededQuota> {
        let exceeded = |limit: Option<u64>, wanted: u64| limit.filter(|limit| wanted > *limit);
        exceeded(self.uploads_per_day, usage.uploads_in_day + 1)
            .map(ExceededQuota::UploadsPerDay)
            .or_else(|| exceeded(self.unfinished_jobs, usage.unfinished_jobs + 1).map(ExceededQuota::UnfinishedJobs))
            .or_else(|| {
                exceeded(self.stored_bytes, usage.stored_bytes.saturating_add(bytes)).map(ExceededQuota::StoredBytes)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_may_reach_a_quota_but_not_exceed_it() {
        let quotas =
            Quotas { stored_bytes: Some(100), unfinished_jobs: Some(2), uploads_per_day: Some(5), ..Quotas::default() };
        let usage = QuotaUsage { stored_bytes: 60, unfinished_jobs: 1, uploads_in_day: 4 };
        assert_eq!(quotas.exceeded_by(usage, 40), None);
        assert_eq!(quotas.exceeded_by(usage, 41), Some(ExceededQuota::StoredBytes(100)));
        let waiting = QuotaUsage { unfinished_jobs: 2, ..usage };
        assert_eq!(quotas.exceeded_by(waiting, 1), Some(ExceededQuota::UnfinishedJobs(2)));
        let busy = QuotaUsage { uploads_in_day: 5, ..waiting };
        assert_eq!(quotas.exceeded_by(busy, 1), Some(ExceededQuota::UploadsPerDay(5)));
        assert!(Quotas::default().allow_all_uploads() && !quotas.allow_all_uploads());
        assert_eq!(Quotas::default().exceeded_by(busy, u64::MAX - 60), None);
    }
}
