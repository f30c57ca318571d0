//! Hashes the passwords of new users.
//!
//! A hash deliberately costs about 50 ms of CPU time, and real clients send a password in every row, every night. So
//! only the passwords of users who do not exist yet are hashed, before the transaction starts.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use muster_domain::CheckedBatch;
use muster_messages::BatchMessage;
use muster_ports::{Batches, JobRules, StoreError};
use muster_runtime::Tasks;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Maximum number of hashes computed at the same time in a process; each takes 19 MiB.
const MAX_PARALLEL_HASHES: usize = 4;
/// The OWASP minimum for argon2id: 19 MiB and two passes.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

pub(crate) struct Passwords {
    store: Arc<dyn Batches>,
    tasks: Tasks,
    /// Fair, so that batches take turns.
    permits: Arc<Semaphore>,
    /// Reused working memory, up to one buffer per permit. Allocating 19 MiB for every hash, on changing threads,
    /// raised the memory of the process by half a gigabyte.
    buffers: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    pub(crate) fn new(store: Arc<dyn Batches>, tasks: Tasks) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let permits = Arc::new(Semaphore::new(cores.min(MAX_PARALLEL_HASHES)));
        Self { store, tasks, permits, buffers: Arc::default() }
    }

    /// Sets the password hashes in the rows of new users.
    pub(crate) async fn hash(
        &self,
        message: &BatchMessage,
        rules: &JobRules,
        rows: &mut CheckedBatch,
    ) -> Result<(), StoreError> {
        let uids: Vec<String> = rows.passwords().map(|(_, uid, _)| uid.to_owned()).collect();
        if uids.is_empty() {
            return Ok(());
        }
        let new = self.store.new_uids(rules.tenant, message.job, message.batch, uids).await?;
        let new: HashSet<String> = new.into_iter().collect();
        // Of several rows with the same new uid any one may create the user: an earlier one may fail.
        let to_hash: Vec<(usize, String)> = rows
            .passwords()
            .filter(|(_, uid, _)| new.contains(*uid))
            .map(|(index, _, password)| (index, password.to_owned()))
            .collect();
        for (index, hash) in self.hash_all(to_hash).await? {
            rows.set_password_hash(index, &hash);
        }
        Ok(())
    }

    /// Hashes passwords in parallel. Each one keeps its index; the order of the results is undefined.
    async fn hash_all(&self, passwords: Vec<(usize, String)>) -> Result<Vec<(usize, String)>, StoreError> {
        let interrupted = || StoreError::Unavailable(None);
        let (mut hashing, mut hashes) = (JoinSet::new(), Vec::with_capacity(passwords.len()));
        for (index, password) in passwords {
            let permit = self.permits.clone().acquire_owned().await.map_err(|_| interrupted())?;
            let (tasks, buffers) = (self.tasks.clone(), self.buffers.clone());
            hashing.spawn(async move {
                let hash = tasks.blocking(move || hash_with_buffer(&buffers, &password)).await;
                drop(permit);
                hash.map(|hash| (index, hash))
            });
            while let Some(done) = hashing.try_join_next() {
                hashes.push(done.map_err(|_| interrupted())?.map_err(|_| interrupted())?);
            }
        }
        while let Some(done) = hashing.join_next().await {
            hashes.push(done.map_err(|_| interrupted())?.map_err(|_| interrupted())?);
        }
        Ok(hashes)
    }
}

/// Hashes a password with a buffer that no other hash uses at the same time.
fn hash_with_buffer(buffers: &Mutex<Vec<Vec<Block>>>, password: &str) -> String {
    let mut blocks = buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    let hash = hash(password, &mut blocks);
    buffers.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
    hash
}

/// Hashes a password with a random salt. Returns the PHC string.
fn hash(password: &str, blocks: &mut Vec<Block>) -> String {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the parameters are within argon2's ranges");
    blocks.resize(params.block_count(), Block::default());
    let params_text = ParamsString::try_from(&params).expect("the parameters have a text form");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (salt, mut output) = (rand::random::<[u8; 16]>(), [0; Params::DEFAULT_OUTPUT_LEN]);
    argon2
        .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, blocks)
        .expect("a password of up to 1024 characters can be hashed");
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: params_text,
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&output).expect("32 bytes are an output")),
    };
    hash.to_string()
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    #[test]
    fn a_hash_verifies_only_its_own_password_and_never_repeats() {
        let buffers = Mutex::default();
        let first = hash_with_buffer(&buffers, "111");
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(first, hash_with_buffer(&buffers, "111"), "each hash has its own salt");
        assert_eq!(buffers.lock().unwrap().len(), 1, "the buffer is reused");
        let parsed = PasswordHash::new(&first).unwrap();
        assert!(Argon2::default().verify_password(b"111", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"112", &parsed).is_err());
    }
}
