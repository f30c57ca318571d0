//! Runs the Lua scripts.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::{self, AsyncCommands, Script, ScriptInvocation};
use deadpool_redis::{Config, Pool, PoolConfig, Runtime, Timeouts};
use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, CountersError, LedgerSnapshot, Recorded, View};
use secrecy::{ExposeSecret, SecretString};

/// The timeout of a call to Redis. Short, because callers can do without the counters.
const CALL_TIMEOUT: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a view is kept after its last change. A view that is missed is rebuilt from the ledger.
const VIEW_TTL_SECONDS: u32 = 3600;
/// How long the view of a final job is kept. By then no reader has a state of the job from before its end.
const FINAL_VIEW_TTL_SECONDS: i64 = 300;
const MAX_CONNECTIONS: usize = 16;
/// The fields of the hash of totals, besides its sentinel.
const TOTAL_FIELDS: [&str; 9] =
    ["created", "updated", "unchanged", "failed", "warnings", "blocked", "unblocked", "bytes", "batches"];

/// How to connect to Redis.
#[derive(Debug)]
pub struct RedisConfig {
    /// The URL, for example `redis://:password@host:port/0`.
    pub url: SecretString,
    /// The prefix of the keys.
    pub namespace: String,
}

/// The counters in Redis.
pub struct RedisCounters {
    pool: Pool,
    namespace: String,
    record: Script,
    rebuild: Script,
    read: Script,
}

impl RedisCounters {
    /// Creates a connection pool. Connects when a connection is first needed.
    pub fn new(config: RedisConfig) -> Result<Self, CountersError> {
        let mut pool = PoolConfig::new(MAX_CONNECTIONS);
        pool.timeouts =
            Timeouts { wait: Some(CALL_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: Some(CALL_TIMEOUT) };
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
        // The braces keep both keys of a job on the same node of a cluster.
        ["batches", "totals"].map(|part| format!("{}:{{job:{job}}}:{part}", self.namespace))
    }

    async fn invoke<T: redis::FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, CountersError> {
        let work = async {
            let mut connection = self.pool.get().await.map_err(|error| CountersError(Box::new(error)))?;
            invocation.invoke_async(&mut connection).await.map_err(|error| CountersError(Box::new(error)))
        };
        with_timeout(work).await
    }
}

async fn with_timeout<T>(work: impl Future<Output = Result<T, CountersError>>) -> Result<T, CountersError> {
    tokio::time::timeout(CALL_TIMEOUT, work).await.unwrap_or_else(|error| Err(CountersError(Box::new(error))))
}

#[async_trait]
impl Counters for RedisCounters {
    async fn record(&self, job: JobId, batch: BatchNo, counts: &Counts, bytes: u64) -> Result<Recorded, CountersError> {
        let [bitmap, totals] = self.keys(job);
        let mut call = self.record.key(bitmap);
        call.key(totals).arg(batch.0).arg(VIEW_TTL_SECONDS);
        for (name, amount) in TOTAL_FIELDS.iter().zip(amounts(counts, bytes)) {
            call.arg(*name).arg(amount);
        }
        match self.invoke::<i64>(&call).await? {
            1 => Ok(Recorded::Counted),
            0 => Ok(Recorded::AlreadyCounted),
            _ => Ok(Recorded::NoView),
        }
    }

    async fn rebuild(&self, job: JobId, ledger: &LedgerSnapshot) -> Result<(), CountersError> {
        let [bitmap, totals] = self.keys(job);
        let mut call = self.rebuild.key(bitmap);
        call.key(totals).arg(build_bitmap(&ledger.batches)).arg(VIEW_TTL_SECONDS);
        for (name, amount) in TOTAL_FIELDS.iter().zip(amounts(&ledger.counts, ledger.bytes)) {
            call.arg(*name).arg(amount);
        }
        call.arg("batches").arg(ledger.batches.len());
        self.invoke::<i64>(&call).await.map(drop)
    }

    async fn read(&self, job: JobId) -> Result<Option<View>, CountersError> {
        let [bitmap, totals] = self.keys(job);
        let mut call = self.read.key(bitmap);
        call.key(totals);
        for name in TOTAL_FIELDS {
            call.arg(name);
        }
        let values: Vec<Option<u64>> = self.invoke(&call).await?;
        let values: Vec<u64> = values.into_iter().map(Option::unwrap_or_default).collect();
        let Some((counts, &[bytes, batches])) = values.split_first_chunk() else { return Ok(None) };
        Ok(Some(View { counts: Counts::from_array(*counts), bytes, batches }))
    }

    async fn retire(&self, job: JobId) -> Result<(), CountersError> {
        let mut pipeline = redis::pipe();
        for key in self.keys(job) {
            pipeline.expire(key, FINAL_VIEW_TTL_SECONDS).ignore();
        }
        let work = async {
            let mut connection = self.pool.get().await.map_err(|error| CountersError(Box::new(error)))?;
            pipeline.query_async(&mut connection).await.map_err(|error| CountersError(Box::new(error)))
        };
        with_timeout(work).await
    }

    async fn forget(&self, job: JobId) -> Result<(), CountersError> {
        let keys = self.keys(job);
        let work = async {
            let mut connection = self.pool.get().await.map_err(|error| CountersError(Box::new(error)))?;
            connection.del::<_, ()>(&keys).await.map_err(|error| CountersError(Box::new(error)))
        };
        with_timeout(work).await
    }
}

/// Returns the amounts in the order of [`TOTAL_FIELDS`], without the number of batches.
fn amounts(counts: &Counts, bytes: u64) -> impl Iterator<Item = u64> {
    counts.to_array().into_iter().chain([bytes])
}

/// Builds a bitmap in the layout of Redis, where bit 0 is the most significant bit of the first byte. Bit 0 is the
/// sentinel.
fn build_bitmap(batches: &[BatchNo]) -> Vec<u8> {
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
    fn the_bitmap_has_the_layout_of_redis() {
        assert_eq!(build_bitmap(&[]), [0b1000_0000]);
        assert_eq!(build_bitmap(&[BatchNo(1), BatchNo(7), BatchNo(9)]), [0b1100_0001, 0b0100_0000]);
    }
}
