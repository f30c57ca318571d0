//! Sets the password hashes of new users.
//!
//! Real clients send a password in every row, every night. So only the passwords of users who do not exist yet are
//! hashed, before the transaction starts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use muster_domain::CheckedBatch;
use muster_messages::BatchMessage;
use muster_ports::{BatchStatus, Batches, JobRules, StoreError};
use tokio::time::Instant;

use super::hash_pool::HashPool;

/// How often a worker that hashes asks whether its batch is still needed.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) struct Passwords {
    store: Arc<dyn Batches>,
    pool: HashPool,
}

/// The passwords to be hashed: the indexes of their rows, and their texts.
pub(crate) type NewPasswords = Vec<(usize, String)>;

impl Passwords {
    pub(crate) fn new(store: Arc<dyn Batches>) -> Self {
        Self { store, pool: HashPool::start() }
    }

    /// Returns the passwords of rows whose users do not exist yet.
    pub(crate) async fn find_new(
        &self,
        message: &BatchMessage,
        rules: &JobRules,
        rows: &CheckedBatch,
    ) -> Result<NewPasswords, StoreError> {
        let uids: Vec<String> = rows.passwords().map(|(_, uid, _)| uid.to_owned()).collect();
        if uids.is_empty() {
            return Ok(Vec::new());
        }
        let new = self.store.new_uids(rules.tenant, message.job, message.batch, uids).await?;
        let new: HashSet<String> = new.into_iter().collect();
        // Of several rows with the same new uid any one may create the user: an earlier one may fail.
        let passwords = rows.passwords().filter(|(_, uid, _)| new.contains(*uid));
        Ok(passwords.map(|(index, _, password)| (index, password.to_owned())).collect())
    }

    /// Hashes passwords and sets the hashes in their rows. Stops early if the batch is not needed any more, and returns
    /// whether it is.
    pub(crate) async fn hash(
        &self,
        message: &BatchMessage,
        rows: &mut CheckedBatch,
        passwords: NewPasswords,
    ) -> Result<BatchStatus, StoreError> {
        let mut waiting = passwords.into_iter();
        let mut hashing = FuturesUnordered::new();
        let start = |(index, password): (usize, String)| async move { (index, self.pool.hash(password).await) };
        hashing.extend(waiting.by_ref().take(self.pool.threads).map(start));
        let mut checked = Instant::now();
        while let Some((index, hash)) = hashing.next().await {
            rows.set_password_hash(index, &hash.ok_or(StoreError::Unavailable(None))?);
            if checked.elapsed() > STATUS_INTERVAL {
                let status = self.store.batch_status(message.job, message.batch).await?;
                if status != BatchStatus::Open {
                    return Ok(status);
                }
                checked = Instant::now();
            }
            hashing.extend(waiting.next().map(start));
        }
        Ok(BatchStatus::Open)
    }
}
