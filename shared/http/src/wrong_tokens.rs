//! Slows down callers that send wrong tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How many wrong tokens a second an address may send without a delay, on average.
const FREE_PER_SECOND: u32 = 10;
/// How many wrong tokens an address may send at once without a delay.
const FREE_AT_ONCE: u32 = 20;
/// The longest delay of a response.
const MAX_DELAY: Duration = Duration::from_secs(5);
/// The maximum number of delayed responses. Further ones are sent at once.
const MAX_DELAYED: usize = 256;
/// The maximum number of addresses that are remembered.
const MAX_ADDRESSES: usize = 4096;
/// The minimum time between two log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// What is known about the wrong tokens of the last seconds.
#[derive(Debug)]
pub(crate) struct WrongTokens {
    recent: Mutex<Recent>,
    delays: Semaphore,
}

#[derive(Debug, Default)]
struct Recent {
    /// When the allowance of each address is restored.
    restored_at: HashMap<Option<IpAddr>, Instant>,
    unlogged: u64,
    logged_at: Option<Instant>,
}

impl Default for WrongTokens {
    fn default() -> Self {
        Self { recent: Mutex::default(), delays: Semaphore::new(MAX_DELAYED) }
    }
}

impl WrongTokens {
    /// Records a wrong token and delays the caller if its address has sent many of them.
    pub(crate) async fn record(&self, address: Option<IpAddr>) {
        let delay = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.log();
            recent.delay(address)
        };
        if delay > Duration::ZERO
            && let Ok(_permit) = self.delays.try_acquire()
        {
            tokio::time::sleep(delay.min(MAX_DELAY)).await;
        }
    }
}

impl Recent {
    fn delay(&mut self, address: Option<IpAddr>) -> Duration {
        let now = Instant::now();
        if self.restored_at.len() >= MAX_ADDRESSES {
            self.restored_at.retain(|_, at| *at > now);
        }
        if self.restored_at.len() >= MAX_ADDRESSES {
            self.restored_at.clear();
        }
        let interval = Duration::from_secs(1) / FREE_PER_SECOND;
        let restored_at = self.restored_at.entry(address).or_insert(now);
        *restored_at = (*restored_at).max(now) + interval;
        (*restored_at - now).saturating_sub(interval * FREE_AT_ONCE)
    }

    /// Logs the number of wrong tokens from time to time. Addresses are in the log of the gateway.
    fn log(&mut self) {
        self.unlogged += 1;
        if self.logged_at.is_none_or(|at| at.elapsed() > LOG_INTERVAL) {
            tracing::warn!(requests = self.unlogged, "requests with a wrong token were refused");
            (self.unlogged, self.logged_at) = (0, Some(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wrong_tokens_of_one_address_are_delayed() {
        let mut recent = Recent::default();
        let (mine, other) = (Some([192, 0, 2, 1].into()), Some([192, 0, 2, 2].into()));
        let delays: Vec<Duration> = (0..40).map(|_| recent.delay(mine)).collect();
        assert!(delays[..20].iter().all(Duration::is_zero), "{delays:?}");
        assert!(delays[39] > Duration::from_millis(1500), "{delays:?}");
        assert_eq!(recent.delay(other), Duration::ZERO);
    }

    #[test]
    fn the_number_of_remembered_addresses_is_limited() {
        let mut recent = Recent::default();
        for number in 0..2 * MAX_ADDRESSES {
            let bytes = u32::try_from(number).unwrap().to_be_bytes();
            recent.delay(Some(bytes.into()));
        }
        assert!(recent.restored_at.len() <= MAX_ADDRESSES);
    }
}
