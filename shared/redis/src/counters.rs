//! Runs the scripts.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::{self, AsyncCommands, Script, ScriptInvocation};
use deadpool_redis::{Config, Pool, PoolConfig, Runtime, Timeouts};
use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, CountersError, LedgerView, Recorded, View};
use secrecy::{ExposeSecret, SecretString};

/// How long Redis may take to answer. It is a view: nobody waits for it.
const ANSWER_DEADLINE: Duration = Duration::from_millis(500);
/// How long a view is kept after its last change, in seconds.
const TTL_SECONDS: u32 = 7 * 24 * 3600;
const CONNECTIONS: usize = 16;
const NAMES: [&str; 9] =
    ["created", "updated", "unchanged", "failed", "warnings", "blocked", "unblocked", "bytes", "batches"];

/// How to reach Redis.
#[derive(Debug)]
pub struct RedisConfig {
    /// `redis://:password@host:port/0`.
    pub url: SecretString,
    /// What stands before the keys.
    pub namespace: String,
}

/// The counters on Redis.
pub struct RedisCounters {
    pool: Pool,
    namespace: String,
    record: Script,
    rebuild: Script,
    read: Script,
}

impl RedisCounters {
    /// Prepares connections; the first is made when it is needed.
    pub fn new(config: RedisConfig) -> Result<Self, CountersError> {
        let mut pool = PoolConfig::new(CONNECTIONS);
        pool.timeouts = Timeouts {
            wait: Some(ANSWER_DEADLINE),
            create: Some(Duration::from_secs(1)),
            recycle: Some(ANSWER_DEADLINE),
        };
        let mut redis = Config::from_url(config.url.expose_secret());
        redis.pool = Some(pool);
        let pool = redis.create_pool(Some(Runtime::Tokio1)).map_err(|error| CountersError(Box::new(error)))?;
        Ok(Self {
            pool,
            namespace: config.namespace,
            record: Script::new(include_str!("../scripts/record.lua")),
            rebuild: Script::new(include_str!("../scripts/rebuild.lua")),
            read: Script::new(include_str!("../scripts/read.lua")),
        })
    }

    fn keys(&self, job: JobId) -> [String; 2] {
        // The braces keep both keys of a job on one node of a cluster.
        ["batches", "totals"].map(|part| format!("{}:{{job:{job}}}:{part}", self.namespace))
    }

    async fn invoke<T: redis::FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, CountersError> {
        let work = async {
            let mut connection = self.pool.get().await.map_err(|error| CountersError(Box::new(error)))?;
            invocation.invoke_async(&mut connection).await.map_err(|error| CountersError(Box::new(error)))
        };
        in_time(work).await
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, CountersError>>) -> Result<T, CountersError> {
    tokio::time::timeout(ANSWER_DEADLINE, work).await.unwrap_or_else(|error| Err(CountersError(Box::new(error))))
}

#[async_trait]
impl Counters for RedisCounters {
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError> {
        let [bitmap, totals] = self.keys(job);
        let mut call = self.record.key(bitmap);
        call.key(totals).arg(batch.0).arg(TTL_SECONDS);
        for (name, amount) in NAMES.iter().zip(amounts(counts, bytes)) {
            call.arg(*name).arg(amount);
        }
        match self.invoke::<i64>(&call).await? {
            1 => Ok(Recorded::Now),
            0 => Ok(Recorded::Before),
            _ => Ok(Recorded::NoView),
        }
    }

    async fn rebuild(&self, job: JobId, ledger: &LedgerView) -> Result<(), CountersError> {
        let [bitmap, totals] = self.keys(job);
        let mut call = self.rebuild.key(bitmap);
        call.key(totals).arg(bitmap_of(&ledger.batches)).arg(TTL_SECONDS);
        for (name, amount) in NAMES.iter().zip(amounts(&ledger.counts, ledger.bytes)) {
            call.arg(*name).arg(amount);
        }
        call.arg("batches").arg(ledger.batches.len());
        self.invoke::<i64>(&call).await.map(drop)
    }

    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError> {
        let [bitmap, totals] = self.keys(job);
        let mut call = self.read.key(bitmap);
        call.key(totals);
        for name in NAMES {
            call.arg(name);
        }
        let values: Vec<Option<u64>> = self.invoke(&call).await?;
        let values: Vec<u64> = values.into_iter().map(Option::unwrap_or_default).collect();
        let Some((counts, &[bytes, batches])) = values.split_first_chunk() else { return Ok(None) };
        Ok(Some(View { counts: Counts::from_array(*counts), bytes, batches }))
    }

    async fn forget(&self, job: JobId) -> Result<(), CountersError> {
        let keys = self.keys(job);
        let work = async {
            let mut connection = self.pool.get().await.map_err(|error| CountersError(Box::new(error)))?;
            connection.del::<_, ()>(&keys).await.map_err(|error| CountersError(Box::new(error)))
        };
        in_time(work).await
    }
}

/// The amounts in the order of [`NAMES`], without the number of batches.
fn amounts(counts: &Counts, bytes: u64) -> impl Iterator<Item = u64> {
    counts.to_array().into_iter().chain([bytes])
}

/// A bitmap as Redis lays it out: bit 0 is the highest of the first byte. Bit 0 is the sentinel.
fn bitmap_of(batches: &[BatchNo]) -> Vec<u8> {
    let last = batches.iter().map(|batch| batch.0).max().unwrap_or(0) as usize;
    let mut bitmap = vec![0_u8; last / 8 + 1];
    for bit in std::iter::once(0).chain(batches.iter().map(|batch| batch.0 as usize)) {
        bitmap[bit / 8] |= 0x80 >> (bit % 8);
    }
    bitmap
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps_are_laid_out_as_redis_has_them() {
        assert_eq!(bitmap_of(&[]), [0b1000_0000]);
        assert_eq!(bitmap_of(&[BatchNo(1), BatchNo(7), BatchNo(9)]), [0b1100_0001, 0b0100_0000]);
    }
}
