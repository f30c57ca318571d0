//! Faults of Redis: counters that are lost, outdated or slow never affect a job or its final status.

use std::time::{Duration, Instant};

use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, LedgerSnapshot, Recorded};
use muster_redis::{RedisConfig, RedisCounters};
use muster_testkit::{Proxy, Server, Servers, Traffic, wait_until};

use super::{File, Trial, failpoint, route_through_proxies, start_breakable_site, start_site, verbose_options};
use crate::MUSTER;

mod quick {
    use super::*;

    /// F73: all keys are flushed, repeatedly. The status includes all applied rows again within two seconds.
    #[tokio::test(flavor = "multi_thread")]
    async fn flushed_counters_are_rebuilt_within_two_seconds() {
        let (servers, site) = start_breakable_site(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(21, 9_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        while trial.site.client.get(&path).await.json()["status"] == "PROCESSING" {
            servers.redis(&["FLUSHALL"]);
            let flushed = Instant::now();
            // The watcher of the trial checks that no number decreases; this checks that they catch up.
            let job: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
            let query = format!(
                "select coalesce(sum(created + updated + unchanged + failed), 0) from ledger where job = {job}"
            );
            let applied = servers.servers.number(&query).await.cast_unsigned();
            wait_until("the status includes all applied rows", || async {
                let shown = trial.site.client.get(&path).await.json()["processed_users"].as_u64().unwrap();
                if shown >= applied { Ok(()) } else { Err((shown, applied)) }
            })
            .await;
            assert!(flushed.elapsed() < Duration::from_secs(2), "{:?}", flushed.elapsed());
        }
        trial.check().await;
    }

    /// F74, F76, F77: Redis is killed during a job and restarted with whatever it had saved.
    #[tokio::test(flavor = "multi_thread")]
    async fn jobs_finish_while_redis_is_down_and_after_it_restarts() {
        let (servers, site) = start_breakable_site(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(22, 9_000, 80_000)).await;
        trial.wait_for_first_rows(&path).await;
        let key = format!("{}:{{job:1}}:batches", servers.servers.prefix);
        wait_until("the job has counters", || async {
            if servers.redis(&["EXISTS", &key]) == "1" { Ok(()) } else { Err(()) }
        })
        .await;
        let totals = key.replace("batches", "totals");
        servers.redis(&["COPY", &key, "old:batches"]);
        servers.redis(&["COPY", &totals, "old:totals"]);
        servers.kill(Server::Redis).await;
        trial.wait_for_first_rows(&path).await;
        servers.restart(Server::Redis).await;
        trial.upload(File::mixed(23, 9_000, 5_000)).await;
        trial.check().await;
    }

    /// F77: after a failover Redis is a replica that takes no writes. The status shows what the ledger has.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_status_advances_while_redis_is_a_read_only_replica() {
        let (servers, site) = start_breakable_site(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(27, 9_000, 80_000)).await;
        trial.wait_for_first_rows(&path).await;
        // Its primary does not exist, so it keeps the data that it has.
        servers.redis(&["REPLICAOF", "127.0.0.1", "1"]);
        servers.redis(&["CONFIG", "SET", "replica-serve-stale-data", "yes"]);
        let processed = async || trial.site.client.get(&path).await.json()["processed_users"].as_u64().unwrap();
        let before = processed().await;
        wait_until("the status advances", || async {
            let now = processed().await;
            if now > before { Ok(()) } else { Err(now) }
        })
        .await;
        assert_eq!(trial.site.client.get(&path).await.json()["status"], "PROCESSING", "the file is too small");
        trial.site.client.wait_until_final(&path).await;
        servers.redis(&["REPLICAOF", "NO", "ONE"]);
        trial.check().await;
    }

    /// F76: counters from an old snapshot lack batches of the ledger. The reconciler rebuilds them.
    #[tokio::test(flavor = "multi_thread")]
    async fn counters_from_an_old_snapshot_are_rebuilt() {
        let mut options = verbose_options(1);
        options.worker_variables = failpoint("batch_applied=5*off->30*return(400)");
        let mut trial = Trial::new(start_site(options).await);
        let path = trial.upload(File::mixed(24, 9_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        let servers = trial.site.servers.clone().unwrap();
        let totals = format!("{}:{{job:1}}:totals", servers.prefix);
        wait_until("the job has counters", || async {
            if servers.redis(&["EXISTS", &totals]) == "1" { Ok(()) } else { Err(()) }
        })
        .await;
        // The state of an earlier snapshot: only the first batch is counted.
        let bitmap = totals.replace("totals", "batches");
        servers.redis(&[
            "EVAL",
            "redis.call('SET', KEYS[1], '\\192') redis.call('HSET', KEYS[2], 'batches', 1)",
            "2",
            &bitmap,
            &totals,
        ]);
        wait_until("the counters are rebuilt", || async {
            let batches: u64 = servers.redis(&["HGET", &totals, "batches"]).parse().unwrap_or(0);
            if batches > 2 { Ok(()) } else { Err(batches) }
        })
        .await;
        trial.check().await;
    }

    /// F75: Redis is over its memory limit and evicts random keys.
    #[tokio::test(flavor = "multi_thread")]
    async fn jobs_finish_while_redis_evicts_keys() {
        let (servers, site) = start_breakable_site(1).await;
        servers.redis(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
        servers.redis(&["CONFIG", "SET", "maxmemory", "1"]);
        let mut trial = Trial::new(site);
        trial.upload(File::mixed(25, 9_000, 30_000)).await;
        trial.check().await;
        servers.redis(&["CONFIG", "SET", "maxmemory", "0"]);
        servers.redis(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    }

    /// F78: every reply of Redis takes longer than its timeout.
    #[tokio::test(flavor = "multi_thread")]
    async fn jobs_finish_while_redis_is_slow() {
        let mut options = verbose_options(1);
        let proxies = route_through_proxies(&mut options, true).await;
        proxies.redis.set(Traffic::Delay(Duration::from_millis(600)));
        let mut trial = Trial::new(start_site(options).await);
        trial.upload(File::mixed(26, 9_000, 40_000)).await;
        trial.check().await;
    }

    /// F79: a batch is counted, but the reply is lost. Recording it again does not count it again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_batch_whose_reply_was_lost_is_not_counted_twice() {
        let servers = Servers::create(MUSTER).await;
        let proxy = Proxy::start(&servers.redis_url).await;
        let counters = |url: String| {
            RedisCounters::new(RedisConfig { url: url.into(), namespace: servers.prefix.clone() }).unwrap()
        };
        let (proxied, direct) = (counters(proxy.url(&servers.redis_url)), counters(servers.redis_url.clone()));
        let counts = Counts { created: 7, ..Counts::default() };
        proxied.rebuild(JobId(1), &LedgerSnapshot::default()).await.unwrap();
        for batch in 1..20 {
            proxy.reset_after(b"EVALSHA");
            proxied.record(JobId(1), BatchNo(batch), &counts, 10).await.unwrap_err();
            assert!(!proxy.is_armed());
            assert_eq!(proxied.record(JobId(1), BatchNo(batch), &counts, 10).await.unwrap(), Recorded::AlreadyCounted);
            let view = direct.read(JobId(1)).await.unwrap().unwrap();
            assert_eq!((view.batches, view.counts.created), (u64::from(batch), u64::from(batch) * 7));
        }
    }

    /// F81: a file cannot be deleted while it is processed, however often a client tries.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_is_processed_cannot_be_deleted() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let path = trial.upload(File::mixed(27, 9_000, 40_000)).await;
        trial.wait_for_first_rows(&path).await;
        loop {
            let response = trial.site.client.delete(&path).await;
            if response.status == 200 {
                break;
            }
            assert_eq!((response.status, response.json()["code"].as_str()), (409, Some("job_not_terminal")));
        }
        let servers = trial.site.servers.as_ref().unwrap();
        assert_eq!(servers.number("select count(*) from jobs").await, 0);
        for table in ["ledger", "rejections", "attempts"] {
            wait_until(&format!("no rows are left in {table}"), || async {
                let rows = servers.number(&format!("select count(*) from {table}")).await;
                if rows == 0 { Ok(()) } else { Err(rows) }
            })
            .await;
        }
        assert_eq!(trial.site.count_stored_uploads(), 0);
        // All of its users exist, because it was deleted after its end.
        trial.record_deletion(&path);
        trial.check().await;
    }

    /// F83: the last two batches of a job are committed at the same time. The job is finished once.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_whose_last_two_batches_commit_together_is_finished_once() {
        let mut options = verbose_options(2);
        // Both batches are committed before either worker checks whether the job is complete.
        options.worker_variables = failpoint("batch_applied=return(300)");
        let mut trial = Trial::new(start_site(options).await);
        for n in 0..8 {
            trial.upload(File::mixed(30 + n, 4_000, 4_000)).await;
        }
        trial.check().await;
    }
}
