//! Caches the rules of jobs. The rules of a job were frozen when it was accepted, so a cached copy is never stale.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use muster_domain::JobId;
use muster_ports::{Batches, JobRules, StoreError};

/// Maximum number of jobs whose rules are cached: more than a worker is likely to work on at the same time.
const MAX_CACHED_JOBS: usize = 64;

pub(crate) struct RulesCache {
    store: Arc<dyn Batches>,
    cached: Mutex<VecDeque<(JobId, Arc<JobRules>)>>,
}

impl RulesCache {
    pub(crate) fn new(store: Arc<dyn Batches>) -> Self {
        Self { store, cached: Mutex::default() }
    }

    /// Returns the rules of a job, or `None` if the job does not exist.
    pub(crate) async fn get(&self, job: JobId) -> Result<Option<Arc<JobRules>>, StoreError> {
        if let Some(rules) = self.find(job) {
            return Ok(Some(rules));
        }
        let Some(rules) = self.store.job_rules(job).await? else { return Ok(None) };
        let rules = Arc::new(rules);
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.push_back((job, rules.clone()));
        if cached.len() > MAX_CACHED_JOBS {
            cached.pop_front();
        }
        Ok(Some(rules))
    }

    fn find(&self, job: JobId) -> Option<Arc<JobRules>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.iter().find(|(id, _)| *id == job).map(|(_, rules)| rules.clone())
    }
}
