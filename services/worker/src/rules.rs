//! What a worker must know of a job, read once. It was frozen when the job was accepted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use muster_domain::JobId;
use muster_ports::{JobRules, Store, StoreError};

/// Jobs whose rules are kept: more than can be running for one worker to notice.
const KEPT: usize = 64;

pub(crate) struct RulesCache {
    store: Arc<dyn Store>,
    kept: Mutex<VecDeque<(JobId, Arc<JobRules>)>>,
}

impl RulesCache {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, kept: Mutex::default() }
    }

    /// The rules of a job; nothing if the job is not there.
    pub(crate) async fn get(&self, job: JobId) -> Result<Option<Arc<JobRules>>, StoreError> {
        if let Some(rules) = self.find(job) {
            return Ok(Some(rules));
        }
        let Some(rules) = self.store.job_rules(job).await? else { return Ok(None) };
        let rules = Arc::new(rules);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((job, rules.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        Ok(Some(rules))
    }

    fn find(&self, job: JobId) -> Option<Arc<JobRules>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(id, _)| *id == job).map(|(_, rules)| rules.clone())
    }
}
