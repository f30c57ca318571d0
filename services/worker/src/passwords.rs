//! Hashes the passwords of users who are new.
//!
//! One hash costs some 50 ms of a core, on purpose; the files of real clients have a password in every row
//! of every night. So only those are hashed whose uid no user has, before the transaction begins.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::{Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use muster_domain::CheckedBatch;
use muster_messages::BatchMessage;
use muster_ports::{JobRules, Store, StoreError};
use muster_runtime::Tasks;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Hashes at a time, in a process; each takes 19 MiB.
const MAX_PARALLEL: usize = 4;
/// What OWASP asks of argon2id at least: 19 MiB and two passes.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

pub(crate) struct Passwords {
    store: Arc<dyn Store>,
    tasks: Tasks,
    /// Served in the order of asking, so that batches take turns.
    places: Arc<Semaphore>,
    /// The memory of each place, once it was used. Allocated anew for every hash, 19 MiB at a time from
    /// changing threads, it cost half a gigabyte.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

impl Passwords {
    pub(crate) fn new(store: Arc<dyn Store>, tasks: Tasks) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { store, tasks, places: Arc::new(Semaphore::new(cores.min(MAX_PARALLEL))), memory: Arc::default() }
    }

    /// Gives the rows of new users the hashes of their passwords.
    pub(crate) async fn hash(
        &self,
        message: &BatchMessage,
        rules: &JobRules,
        mut rows: CheckedBatch,
    ) -> Result<CheckedBatch, StoreError> {
        let uids: Vec<String> = rows.passwords().map(|(_, uid, _)| uid.to_owned()).collect();
        if uids.is_empty() {
            return Ok(rows);
        }
        let new = self.store.new_uids(rules.tenant, message.job, message.batch, uids).await?;
        let mut new: HashSet<String> = new.into_iter().collect();
        // A user is made once, by the first of its rows.
        let wanted: Vec<(usize, String)> = rows
            .passwords()
            .filter(|(_, uid, _)| new.remove(*uid))
            .map(|(index, _, password)| (index, password.to_owned()))
            .collect();
        for (index, hash) in self.hash_all(wanted).await? {
            rows.set_password_hash(index, &hash);
        }
        Ok(rows)
    }

    async fn hash_all(&self, wanted: Vec<(usize, String)>) -> Result<Vec<(usize, String)>, StoreError> {
        let interrupted = || StoreError::Unavailable(None);
        let (mut hashing, mut hashes) = (JoinSet::new(), Vec::with_capacity(wanted.len()));
        for (index, password) in wanted {
            let place = self.places.clone().acquire_owned().await.map_err(|_| interrupted())?;
            let (tasks, memory) = (self.tasks.clone(), self.memory.clone());
            hashing.spawn(async move {
                let hash = tasks.blocking(move || hash_in(&memory, &password)).await;
                drop(place);
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

/// Hashes in the memory of a place, which nobody else uses meanwhile.
fn hash_in(memory: &Mutex<Vec<Vec<Block>>>, password: &str) -> String {
    let mut blocks = memory.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
    let hash = hash(password, &mut blocks);
    memory.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
    hash
}

/// The PHC form of a password's hash, with a salt of its own.
fn hash(password: &str, blocks: &mut Vec<Block>) -> String {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("the parameters are within argon2's ranges");
    blocks.resize(params.block_count(), Block::default());
    let params_text = ParamsString::try_from(&params).expect("the parameters have a text form");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (salt, mut output) = (rand::random::<[u8; 16]>(), [0; Params::DEFAULT_OUTPUT_LEN]);
    argon2
        .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, blocks)
        .expect("a password of at most 1024 characters can be hashed");
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
    fn a_hash_is_verified_by_its_password_only_and_is_never_the_same_twice() {
        let memory = Mutex::default();
        let first = hash_in(&memory, "111");
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(first, hash_in(&memory, "111"));
        assert_eq!(memory.lock().unwrap().len(), 1, "the memory is used again");
        let parsed = PasswordHash::new(&first).unwrap();
        assert!(Argon2::default().verify_password(b"111", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"112", &parsed).is_err());
    }
}
