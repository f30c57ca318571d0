//! Threads that hash passwords.
//!
//! A hash deliberately costs about 50 ms of CPU time and 19 MiB. The threads have a low priority, so that a file with
//! many new passwords takes only the CPU time that nothing else needs.

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use argon2::password_hash::{Output, ParamsString, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{Semaphore, oneshot};

/// Maximum number of hashes computed at the same time in a process; each takes 19 MiB.
const MAX_THREADS: usize = 4;
/// The priority of the threads, as of the command `nice`: others get about ten times as much CPU time.
const NICE: i32 = 10;
/// The OWASP minimum for argon2id: 19 MiB and two passes.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// The threads. They end when the pool is dropped.
pub(crate) struct HashPool {
    requests: mpsc::Sender<Request>,
    /// One for each thread. Fair, so that batches take turns.
    permits: Semaphore,
    /// How many hashes are computed at the same time.
    pub(crate) threads: usize,
}

struct Request {
    password: String,
    result: oneshot::Sender<String>,
}

impl HashPool {
    pub(crate) fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = cores.min(MAX_THREADS);
        let (requests, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads {
            let receiver = receiver.clone();
            let builder = std::thread::Builder::new().name("hash".to_owned());
            if let Err(error) = builder.spawn(move || run(&receiver)) {
                tracing::error!(%error, "could not start a thread that hashes passwords");
            }
        }
        Self { requests, permits: Semaphore::new(threads), threads }
    }

    /// Hashes a password with a random salt, as soon as a thread is free. Returns the PHC string; `None` if the threads
    /// have ended.
    pub(crate) async fn hash(&self, password: String) -> Option<String> {
        let _permit = self.permits.acquire().await.ok()?;
        let (result, hash) = oneshot::channel();
        self.requests.send(Request { password, result }).ok()?;
        hash.await.ok()
    }
}

/// Hashes passwords until the pool is dropped.
fn run(requests: &Mutex<mpsc::Receiver<Request>>) {
    // Without a lower priority hashing only takes more from others.
    let _ = rustix::process::nice(NICE);
    // Allocating 19 MiB for every hash raised the memory of the process by half a gigabyte, so it is reused.
    let mut blocks = Vec::new();
    loop {
        let request = requests.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Request { password, result }) = request else { return };
        // The receiver is gone if its batch is not needed any more.
        if !result.is_closed() {
            let _ = result.send(hash(&password, &mut blocks));
        }
    }
}

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
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let pool = HashPool::start();
        let hash = || runtime.block_on(pool.hash("111".to_owned())).unwrap();
        let first = hash();
        assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(first, hash(), "each hash has its own salt");
        let parsed = PasswordHash::new(&first).unwrap();
        assert!(Argon2::default().verify_password(b"111", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"112", &parsed).is_err());
    }
}
