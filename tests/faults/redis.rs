//! Counters that vanish, lag, lie or are slow: a view is never more than a view.

use std::time::{Duration, Instant};

use muster_domain::{BatchNo, Counts, JobId};
use muster_ports::{Counters, LedgerView, Recorded};
use muster_redis::{RedisConfig, RedisCounters};
use muster_testkit::{Proxy, Server, Servers, Traffic, wait_until};

use super::{File, Trial, at, breakable, options, site, wired};
use crate::MUSTER;

mod quick {
    use super::*;

    /// F73: everything is flushed, over and over. The status is right again within two seconds.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_counters_are_flushed_in_a_storm() {
        let (servers, site) = breakable(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(21, 9_000, 60_000)).await;
        trial.in_the_middle(&path).await;
        while trial.site.client.get(&path).await.json()["status"] == "PROCESSING" {
            servers.redis(&["FLUSHALL"]);
            let flushed = Instant::now();
            // The watcher sees that no number goes back; here they must come near the ledger again.
            let job: i64 = path.rsplit('/').next().unwrap().parse().unwrap();
            let query = format!(
                "select coalesce(sum(created + updated + unchanged + failed), 0) from ledger where job = {job}"
            );
            let applied = servers.servers.number(&query).await.cast_unsigned();
            wait_until("the status has what was applied", || async {
                let shown = trial.site.client.get(&path).await.json()["processed_users"].as_u64().unwrap();
                if shown >= applied { Ok(()) } else { Err((shown, applied)) }
            })
            .await;
            assert!(flushed.elapsed() < Duration::from_secs(2), "{:?}", flushed.elapsed());
        }
        trial.check().await;
    }

    /// F74, F76, F77: Redis is away, comes back empty, and comes back with an old snapshot.
    #[tokio::test(flavor = "multi_thread")]
    async fn redis_goes_and_comes_back_with_less() {
        let (servers, site) = breakable(1).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(22, 9_000, 80_000)).await;
        trial.in_the_middle(&path).await;
        let key = format!("{}:{{job:1}}:batches", servers.servers.prefix);
        wait_until("there is a view", || async {
            if servers.redis(&["EXISTS", &key]) == "1" { Ok(()) } else { Err(()) }
        })
        .await;
        let totals = key.replace("batches", "totals");
        servers.redis(&["COPY", &key, "old:batches"]);
        servers.redis(&["COPY", &totals, "old:totals"]);
        servers.kill(Server::Redis).await;
        trial.in_the_middle(&path).await;
        servers.restart(Server::Redis).await;
        trial.upload(File::mixed(23, 9_000, 5_000)).await;
        trial.check().await;
    }

    /// F76: a view from an old snapshot is behind the ledger; the reconciler makes a new one.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_old_view_is_replaced() {
        let mut options = options(1);
        options.of_workers = at("batch_applied=5*off->30*return(400)");
        let mut trial = Trial::new(site(options).await);
        let path = trial.upload(File::mixed(24, 9_000, 60_000)).await;
        trial.in_the_middle(&path).await;
        let servers = trial.site.servers.clone().unwrap();
        let totals = format!("{}:{{job:1}}:totals", servers.prefix);
        wait_until("there is a view", || async {
            if servers.redis(&["EXISTS", &totals]) == "1" { Ok(()) } else { Err(()) }
        })
        .await;
        // What a snapshot of an earlier moment has: only the first batch.
        let bitmap = totals.replace("totals", "batches");
        servers.redis(&[
            "EVAL",
            "redis.call('SET', KEYS[1], '\\192') redis.call('HSET', KEYS[2], 'batches', 1)",
            "2",
            &bitmap,
            &totals,
        ]);
        wait_until("the view is whole again", || async {
            let shown: u64 = servers.redis(&["HGET", &totals, "batches"]).parse().unwrap_or(0);
            if shown > 2 { Ok(()) } else { Err(shown) }
        })
        .await;
        trial.check().await;
    }

    /// F75: Redis may hold little and drops what it likes.
    #[tokio::test(flavor = "multi_thread")]
    async fn redis_evicts_keys() {
        let (servers, site) = breakable(1).await;
        servers.redis(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
        servers.redis(&["CONFIG", "SET", "maxmemory", "1"]);
        let mut trial = Trial::new(site);
        trial.upload(File::mixed(25, 9_000, 30_000)).await;
        trial.check().await;
        servers.redis(&["CONFIG", "SET", "maxmemory", "0"]);
        servers.redis(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    }

    /// F78: every answer of Redis is late by longer than anybody waits for it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_slow_redis_holds_nothing_up() {
        let mut options = options(1);
        let wires = wired(&mut options, true).await;
        wires.redis.set(Traffic::Delay(Duration::from_millis(600)));
        let mut trial = Trial::new(site(options).await);
        trial.upload(File::mixed(26, 9_000, 40_000)).await;
        trial.check().await;
    }

    /// F79: a batch was counted, but the answer is lost. Told again, it is not counted again.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_lost_answer_is_not_counted_twice() {
        let servers = Servers::private(MUSTER).await;
        let wire = Proxy::start(&servers.redis_url).await;
        let counters = |url: String| {
            RedisCounters::new(RedisConfig { url: url.into(), namespace: servers.prefix.clone() }).unwrap()
        };
        let (through, direct) = (counters(wire.url(&servers.redis_url)), counters(servers.redis_url.clone()));
        let counts = Counts { created: 7, ..Counts::default() };
        through.rebuild(JobId(1), &LedgerView::default()).await.unwrap();
        for batch in 1..20 {
            wire.reset_after(b"EVALSHA");
            through.record(JobId(1), BatchNo(batch), &counts, 10).await.unwrap_err();
            assert!(!wire.is_armed());
            assert_eq!(through.record(JobId(1), BatchNo(batch), &counts, 10).await.unwrap(), Recorded::Before);
            let view = direct.read(JobId(1)).await.unwrap().unwrap();
            assert_eq!((view.batches, view.counts.created), (u64::from(batch), u64::from(batch) * 7));
        }
    }

    /// F80, F81: unknown and foreign files look alike; a file is deleted only before and after it is
    /// processed, however often it is asked.
    #[tokio::test(flavor = "multi_thread")]
    async fn deletes_in_a_storm_change_nothing_while_a_file_is_processed() {
        let mut trial = Trial::new(site(options(1)).await);
        let path = trial.upload(File::mixed(27, 9_000, 40_000)).await;
        trial.in_the_middle(&path).await;
        loop {
            let answer = trial.site.client.delete(&path).await;
            if answer.status == 200 {
                break;
            }
            assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("job_not_terminal")));
        }
        let servers = trial.site.servers.as_ref().unwrap();
        for left in ["jobs", "ledger", "rejections", "attempts"] {
            assert_eq!(servers.number(&format!("select count(*) from {left}")).await, 0, "{left}");
        }
        assert_eq!(trial.site.stored_uploads(), 0);
        // Its users are all there: it was deleted behind its end.
        trial.deleted(&path);
        trial.check().await;
    }

    /// F83: the last two batches of a job are committed at the same moment.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_last_two_batches_end_together() {
        let mut options = options(2);
        // Both are committed before either looks whether the job is complete.
        options.of_workers = at("batch_applied=return(300)");
        let mut trial = Trial::new(site(options).await);
        for n in 0..8 {
            trial.upload(File::mixed(30 + n, 4_000, 4_000)).await;
        }
        trial.check().await;
    }
}
