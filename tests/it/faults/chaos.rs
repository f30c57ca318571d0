//! Random faults of every kind, chosen by a seed, while many jobs run. Then the faults end, and every
//! invariant must hold.
//!
//! `MUSTER_CHAOS_SEED` repeats the faults of a run, though not their exact timing.
//! `MUSTER_CHAOS_SECONDS` and `MUSTER_CHAOS_JOBS` make a run longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_testkit::{FaultServers, Server, Servers, Traffic, wait_until};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::watch;

use super::trial::files::Dice;
use super::{File, Proxies, Trial, start_site, verbose_options};
use crate::MUSTER;

/// A fault of a process or of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillWorker,
    PauseWorker,
    StopWorker,
    KillIngest,
    StopIngest,
    RestartServer,
    KillServer,
    RevokePrivilege,
    ReadOnlyDatabase,
}

const FAULTS: [Fault; 9] = [
    Fault::KillWorker,
    Fault::PauseWorker,
    Fault::StopWorker,
    Fault::KillIngest,
    Fault::StopIngest,
    Fault::RestartServer,
    Fault::KillServer,
    Fault::RevokePrivilege,
    Fault::ReadOnlyDatabase,
];

/// Ends the connections of all processes to this database, so that the next ones get its new settings.
const DISCONNECT: &str = "select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and application_name like 'muster%'";

/// Faults of connections and of Redis, which happen at the same time.
const CONNECTION_FAULTS: [&str; 6] =
    ["flush counters", "reset", "silence", "delay", "reset after COMMIT", "reset before COMMIT"];

/// How long a run lasts and what it imports.
struct Plan {
    seed: u64,
    seconds: u64,
    jobs: u64,
    max_rows_per_job: u64,
    /// The rows of one additional large job.
    large_job_rows: Option<u64>,
}

/// The number in an environment variable, or the default.
fn number_from_env(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the caller of the tests chooses the seed and the length")]
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

struct Chaos {
    trial: Trial,
    servers: FaultServers,
    proxies: Arc<Proxies>,
    dice: Dice,
    fault_counts: BTreeMap<Fault, u32>,
}

impl Chaos {
    async fn start(seed: u64) -> Self {
        let servers = FaultServers::acquire(MUSTER).await;
        let mut options = verbose_options(2);
        // The output is kept in memory: debug logs of a long run would fill it.
        options.variables = vec![("MUSTER_LOG".to_owned(), "info,fail=off".to_owned())];
        options.servers = Some(servers.servers.clone());
        let proxies = super::start_proxies(&servers.servers, &mut options, false).await;
        let trial = Trial::new(start_site(options).await);
        Self { trial, servers, proxies: Arc::new(proxies), dice: Dice::new(seed), fault_counts: BTreeMap::new() }
    }

    /// Injects one fault, and ends it before it returns: paused processes are resumed, and stopped or
    /// killed ones are started again.
    async fn inject_fault(&mut self) {
        let fault = FAULTS[self.pick(FAULTS.len())];
        *self.fault_counts.entry(fault).or_default() += 1;
        let duration = Duration::from_millis(200 + self.dice.roll(3_000));
        match fault {
            Fault::KillWorker => {
                let worker = self.pick(self.trial.site.workers.len());
                self.trial.site.kill_worker(worker);
                tokio::time::sleep(duration).await;
                self.trial.site.start_worker().await;
            }
            Fault::PauseWorker => {
                let worker = self.pick(self.trial.site.workers.len());
                self.trial.site.workers[worker].signal("-STOP");
                // Sometimes longer than the timeouts of an idle transaction and of the heartbeat.
                tokio::time::sleep(duration * if self.dice.roll(4) == 0 { 10 } else { 1 }).await;
                self.trial.site.workers[worker].signal("-CONT");
            }
            Fault::StopWorker => {
                let worker = self.pick(self.trial.site.workers.len());
                self.trial.site.workers[worker].signal("-TERM");
                tokio::time::sleep(duration / 4).await;
                self.trial.site.kill_worker(worker);
                self.trial.site.start_worker().await;
            }
            Fault::KillIngest | Fault::StopIngest => {
                let ingest = self.trial.site.ingest.as_mut().unwrap();
                if fault == Fault::StopIngest {
                    ingest.terminate().await;
                }
                ingest.kill();
                tokio::time::sleep(duration).await;
                self.trial.site.start_ingest().await;
            }
            Fault::RestartServer | Fault::KillServer => {
                let server = Server::ALL[self.pick(Server::ALL.len())];
                if fault == Fault::KillServer {
                    self.servers.kill(server).await;
                    tokio::time::sleep(duration).await;
                }
                self.servers.restart(server).await;
            }
            Fault::RevokePrivilege => {
                let revoke = "revoke insert, update on users from current_user";
                self.sicken_database(revoke, duration, "grant insert, update on users to current_user").await;
            }
            Fault::ReadOnlyDatabase => {
                let set = |change: &str| {
                    format!(
                        "do $$ begin execute format('alter database %I {change}', current_database()); end $$; {DISCONNECT}"
                    )
                };
                let read_only = set("set default_transaction_read_only = on");
                self.sicken_database(&read_only, duration, &set("reset default_transaction_read_only")).await;
            }
        }
    }

    /// Makes the database sick for a while, by a session that was opened before.
    async fn sicken_database(&self, cause: &str, duration: Duration, repair: &str) {
        let mut admin = PgConnection::connect(&self.servers.servers.database_url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(cause.to_owned())).execute(&mut admin).await.unwrap();
        tokio::time::sleep(duration).await;
        sqlx::raw_sql(AssertSqlSafe(repair.to_owned())).execute(&mut admin).await.unwrap();
    }

    /// A random index below `length`.
    fn pick(&mut self, length: usize) -> usize {
        usize::try_from(self.dice.roll(length as u64)).unwrap()
    }

    /// Uploads a file, and repeats the request until it is accepted.
    async fn upload(&mut self, file: File) {
        let key = format!("chaos-{}", self.trial.uploads.len());
        let headers = [("content-type", "text/csv"), ("idempotency-key", key.as_str())];
        let client = &self.trial.site.client;
        let url = wait_until("the upload is accepted", || async {
            let response = client.try_send(reqwest::Method::POST, "/bulk/v1/files", &headers, file.csv()).await;
            let response = response.map_err(|error| error.to_string())?;
            response.json()["status_url"].as_str().map(str::to_owned).ok_or(response.text)
        })
        .await;
        self.trial.record_upload(url[url.find("/bulk").unwrap()..].to_owned(), file);
    }
}

#[expect(clippy::print_stdout, reason = "a failed test shows its seed and what was done")]
async fn run(plan: Plan) {
    println!("chaos seed {} for {} s; MUSTER_CHAOS_SEED repeats it", plan.seed, plan.seconds);
    let mut chaos = Chaos::start(plan.seed).await;
    let started = Instant::now();
    let stop = watch::Sender::new(false);
    let connection_faults = inject_connection_faults(
        chaos.proxies.clone(),
        chaos.servers.servers.clone(),
        Dice::new(!plan.seed),
        stop.subscribe(),
    );
    #[expect(clippy::disallowed_methods, reason = "joined below")]
    let connection_faults = tokio::spawn(connection_faults);
    if let Some(rows) = plan.large_job_rows {
        chaos.upload(File::mixed(plan.seed, rows / 2, rows)).await;
    }
    let mut next_job = 0;
    while started.elapsed() < Duration::from_secs(plan.seconds) || next_job < plan.jobs {
        let due_seconds = plan.seconds * next_job / plan.jobs.max(1);
        if next_job < plan.jobs && started.elapsed().as_secs() >= due_seconds {
            // Users of all jobs overlap.
            let rows = 1 + chaos.dice.roll(plan.max_rows_per_job);
            chaos.upload(File::mixed(plan.seed + next_job + 1, plan.max_rows_per_job / 3, rows)).await;
            next_job += 1;
        }
        chaos.inject_fault().await;
        let pause = chaos.dice.roll(1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    stop.send_replace(true);
    let connection_fault_counts = connection_faults.await.unwrap();
    let Chaos { mut trial, servers, proxies, fault_counts, .. } = chaos;
    let accepted = trial.uploads.len();
    let rows: usize = trial.uploads.iter().map(|upload| upload.file.rows.len()).sum();
    println!(
        "faults ended after {:?}; {accepted} jobs with {rows} rows; faults: {fault_counts:?}, \
         of connections: {connection_fault_counts:?}",
        started.elapsed()
    );
    wait_until_all_jobs_are_final(&trial, plan.seconds).await;
    trial.may_leave_orphans = true;
    trial.check().await;
    println!("every invariant holds after {:?}", started.elapsed());
    drop((servers, proxies));
}

/// Injects faults of connections and counters until `stop` is set, and ends the last one.
async fn inject_connection_faults(
    proxies: Arc<Proxies>,
    servers: Servers,
    mut dice: Dice,
    mut stop: watch::Receiver<bool>,
) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    let all = [&proxies.postgres, &proxies.broker, &proxies.redis];
    while !*stop.borrow() {
        let fault = CONNECTION_FAULTS[usize::try_from(dice.roll(6)).unwrap()];
        let proxy = all[usize::try_from(dice.roll(3)).unwrap()];
        *counts.entry(fault).or_default() += 1;
        match fault {
            "flush counters" => drop(servers.redis(&["FLUSHALL"])),
            "reset" => proxy.reset(),
            "silence" => proxy.set(Traffic::Blackhole),
            "delay" => proxy.set(Traffic::Delay(Duration::from_millis(1 + dice.roll(200)))),
            "reset after COMMIT" => proxies.postgres.reset_after(b"COMMIT"),
            _ => proxies.postgres.reset_before(b"COMMIT"),
        }
        // Sometimes silence lasts longer than two heartbeats.
        let max_ms = if dice.roll(6) == 0 { 25_000 } else { 2_000 };
        let duration = Duration::from_millis(100 + dice.roll(max_ms));
        let _ = tokio::time::timeout(duration, stop.changed()).await;
        for proxy in all {
            proxy.set(Traffic::Pass);
        }
    }
    counts
}

/// Liveness: after the faults have ended, every job becomes final within the time of the slowest repair.
async fn wait_until_all_jobs_are_final(trial: &Trial, chaos_seconds: u64) {
    let started = Instant::now();
    let deadline = Duration::from_secs(300 + chaos_seconds);
    let unfinished = "select count(*) from jobs where finished_at is null";
    while trial.site.servers.as_ref().unwrap().number(unfinished).await > 0 {
        assert!(started.elapsed() < deadline, "some jobs are not final after {:?}", started.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

mod quick {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_minute_of_random_faults_breaks_no_invariant() {
        let seed = number_from_env("MUSTER_CHAOS_SEED", u64::from(std::process::id()));
        run(Plan { seed, seconds: 60, jobs: 8, max_rows_per_job: 20_000, large_job_rows: None }).await;
    }

    /// F93, F94: all servers are killed at once and restarted, then every Muster process is replaced,
    /// while files are imported.
    #[tokio::test(flavor = "multi_thread")]
    async fn jobs_survive_a_restart_of_every_server_and_process() {
        let (servers, site) = super::super::start_breakable_site(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(91, 9_000, 60_000)).await;
        trial.wait_for_first_rows(&path).await;
        for server in Server::ALL {
            servers.kill(server).await;
        }
        for server in Server::ALL {
            servers.restart(server).await;
        }
        trial.upload(File::mixed(92, 9_000, 9_000)).await;
        for _ in 0..2 {
            trial.site.start_worker().await;
            let mut old = trial.site.workers.remove(0);
            assert!(old.terminate().await.success());
        }
        trial.site.ingest.as_mut().unwrap().terminate().await;
        trial.site.start_ingest().await;
        trial.check().await;
    }
}

mod long {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn long_random_faults_break_no_invariant() {
        let seed = number_from_env("MUSTER_CHAOS_SEED", u64::from(std::process::id()));
        let seconds = number_from_env("MUSTER_CHAOS_SECONDS", 300);
        let jobs = number_from_env("MUSTER_CHAOS_JOBS", 20);
        let large_job_rows = Some(number_from_env("MUSTER_CHAOS_LARGE_ROWS", 200_000));
        run(Plan { seed, seconds, jobs, max_rows_per_job: 30_000, large_job_rows }).await;
    }
}
