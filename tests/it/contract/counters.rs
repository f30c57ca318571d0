//! Counters count each batch of a job once, and count nothing for a job whose view does not exist.

use muster_domain::{BatchNo, Counts, JobId};
use muster_memory::MemoryCounters;
use muster_ports::{Counters, LedgerSnapshot, Recorded, View};
use muster_redis::{RedisConfig, RedisCounters};
use muster_testkit::Servers;

use crate::MUSTER;

async fn suite(counters: &dyn Counters) {
    let job = JobId(9);
    let counts = Counts { created: 5, updated: 1, unchanged: 2, failed: 3, warnings: 4, blocked: 5, unblocked: 6 };
    assert_eq!(counters.record(job, BatchNo(1), &counts, 100).await.unwrap(), Recorded::NoView);
    assert_eq!(counters.read(job).await.unwrap(), None);

    let mut ledger = LedgerSnapshot::default();
    ledger.add(BatchNo(2), &counts, 50);
    counters.rebuild(job, &ledger).await.unwrap();
    assert_eq!(counters.record(job, BatchNo(2), &counts, 50).await.unwrap(), Recorded::AlreadyCounted);
    assert_eq!(counters.record(job, BatchNo(1), &counts, 100).await.unwrap(), Recorded::Counted);
    assert_eq!(counters.record(job, BatchNo(1), &counts, 100).await.unwrap(), Recorded::AlreadyCounted);
    let both = Counts { created: 10, updated: 2, unchanged: 4, failed: 6, warnings: 8, blocked: 10, unblocked: 12 };
    assert_eq!(counters.read(job).await.unwrap(), Some(View { counts: both, bytes: 150, batches: 2 }));

    counters.rebuild(job, &LedgerSnapshot::default()).await.unwrap();
    assert_eq!(
        counters.read(job).await.unwrap().map(|view| view.batches),
        Some(2),
        "an existing view is never replaced"
    );
    assert_eq!(counters.read(JobId(8)).await.unwrap(), None, "another job");

    counters.forget(job).await.unwrap();
    assert_eq!(counters.read(job).await.unwrap(), None);
    assert_eq!(counters.record(job, BatchNo(3), &counts, 1).await.unwrap(), Recorded::NoView);
}

#[tokio::test]
async fn memory() {
    suite(&MemoryCounters::new()).await;
}

#[tokio::test]
async fn redis() {
    let servers = Servers::create(MUSTER).await;
    let config = RedisConfig { url: servers.redis_url.into(), namespace: servers.prefix };
    suite(&RedisCounters::new(config).unwrap()).await;
}
