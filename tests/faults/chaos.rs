//! Random faults of every kind over many jobs, by a seed; then they heal, and everything must hold.
//!
//! `MUSTER_CHAOS_SEED` repeats a run, as far as real time lets it; `MUSTER_CHAOS_SECONDS` and
//! `MUSTER_CHAOS_JOBS` make it longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_testkit::{FaultServers, Server, Servers, Traffic, wait_until};
use tokio::sync::watch;

use super::files::Dice;
use super::{File, Trial, Wires, options, site};
use crate::MUSTER;

/// One of the things that are done to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillWorker,
    PauseWorker,
    StopWorker,
    KillIngest,
    StopIngest,
    RestartServer,
    KillServer,
}

const FAULTS: [Fault; 7] = [
    Fault::KillWorker,
    Fault::PauseWorker,
    Fault::StopWorker,
    Fault::KillIngest,
    Fault::StopIngest,
    Fault::RestartServer,
    Fault::KillServer,
];

/// One of the things that are done to the wires and to Redis meanwhile.
const WIRE_FAULTS: [&str; 6] = ["flush counters", "reset", "silence", "delay", "commit unanswered", "commit unseen"];

/// How long a run lasts and what it imports.
struct Plan {
    seed: u64,
    seconds: u64,
    jobs: u64,
    rows: u64,
    /// One job more, of so many rows.
    large: Option<u64>,
}

/// What `name` says in the environment, for people who repeat or prolong a run.
fn wanted(name: &str, otherwise: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how")]
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

struct Chaos {
    trial: Trial,
    servers: FaultServers,
    wires: Arc<Wires>,
    dice: Dice,
    done: BTreeMap<Fault, u32>,
}

impl Chaos {
    async fn start(seed: u64) -> Self {
        let servers = FaultServers::take(MUSTER).await;
        let mut options = options(2);
        // Lines of debug would fill the memory of a long run.
        options.variables = vec![("MUSTER_LOG".to_owned(), "info,fail=off".to_owned())];
        options.servers = Some(servers.servers.clone());
        let wires = super::wires(&servers.servers, &mut options, false).await;
        let trial = Trial::new(site(options).await);
        Self { trial, servers, wires: Arc::new(wires), dice: Dice::new(seed), done: BTreeMap::new() }
    }

    /// Does something for a while. Everything heals before this returns, but what was killed stays
    /// dead until it is started again.
    async fn one_fault(&mut self) {
        let fault = FAULTS[self.pick(FAULTS.len())];
        *self.done.entry(fault).or_default() += 1;
        let a_while = Duration::from_millis(200 + self.dice.roll(3_000));
        match fault {
            Fault::KillWorker => {
                let worker = self.pick(self.trial.site.workers.len());
                self.trial.site.kill_worker(worker);
                tokio::time::sleep(a_while).await;
                self.trial.site.start_worker().await;
            }
            Fault::PauseWorker => {
                let worker = self.pick(self.trial.site.workers.len());
                self.trial.site.workers[worker].signal("-STOP");
                // Now and then for longer than its transaction and its heartbeat may be silent.
                tokio::time::sleep(a_while * if self.dice.roll(4) == 0 { 10 } else { 1 }).await;
                self.trial.site.workers[worker].signal("-CONT");
            }
            Fault::StopWorker => {
                let worker = self.pick(self.trial.site.workers.len());
                self.trial.site.workers[worker].signal("-TERM");
                tokio::time::sleep(a_while / 4).await;
                self.trial.site.kill_worker(worker);
                self.trial.site.start_worker().await;
            }
            Fault::KillIngest | Fault::StopIngest => {
                let ingest = self.trial.site.ingest.as_mut().unwrap();
                if fault == Fault::StopIngest {
                    ingest.terminate().await;
                }
                ingest.kill();
                tokio::time::sleep(a_while).await;
                self.trial.site.start_ingest().await;
            }
            Fault::RestartServer | Fault::KillServer => {
                let server = Server::ALL[self.pick(Server::ALL.len())];
                if fault == Fault::KillServer {
                    self.servers.kill(server).await;
                    tokio::time::sleep(a_while).await;
                }
                self.servers.restart(server).await;
            }
        }
    }

    fn pick(&mut self, among: usize) -> usize {
        usize::try_from(self.dice.roll(among as u64)).unwrap()
    }

    /// Uploads a file, as a client does: again, if it is refused or the answer is lost.
    async fn upload(&mut self, file: File) {
        let key = format!("chaos-{}", self.trial.uploads.len());
        let headers = [("content-type", "text/csv"), ("idempotency-key", key.as_str())];
        let client = &self.trial.site.client;
        let url = wait_until("the upload is accepted", || async {
            let answer = client.try_send(reqwest::Method::POST, "/bulk/v1/files", &headers, file.csv()).await;
            let answer = answer.map_err(|error| error.to_string())?;
            answer.json()["status_url"].as_str().map(str::to_owned).ok_or(answer.text)
        })
        .await;
        self.trial.accepted(url[url.find("/bulk").unwrap()..].to_owned(), file);
    }
}

#[expect(clippy::print_stdout, reason = "a failed test shows its seed and what was done")]
async fn run(plan: Plan) {
    println!("chaos seed {} for {} s; MUSTER_CHAOS_SEED repeats it", plan.seed, plan.seconds);
    let mut chaos = Chaos::start(plan.seed).await;
    let started = Instant::now();
    let stop = watch::Sender::new(false);
    let stirring = stir(chaos.wires.clone(), chaos.servers.servers.clone(), Dice::new(!plan.seed), stop.subscribe());
    #[expect(clippy::disallowed_methods, reason = "joined below")]
    let stirring = tokio::spawn(stirring);
    if let Some(rows) = plan.large {
        chaos.upload(File::mixed(plan.seed, rows / 2, rows)).await;
    }
    let mut next = 0;
    while started.elapsed() < Duration::from_secs(plan.seconds) || next < plan.jobs {
        let share = plan.seconds * next / plan.jobs.max(1);
        if next < plan.jobs && started.elapsed().as_secs() >= share {
            // Users of all jobs overlap.
            let rows = 1 + chaos.dice.roll(plan.rows);
            chaos.upload(File::mixed(plan.seed + next + 1, plan.rows / 3, rows)).await;
            next += 1;
        }
        chaos.one_fault().await;
        let pause = chaos.dice.roll(1_500);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    stop.send_replace(true);
    let wire_faults = stirring.await.unwrap();
    let Chaos { mut trial, servers, wires, done, .. } = chaos;
    let accepted = trial.uploads.len();
    let rows: usize = trial.uploads.iter().map(|upload| upload.file.rows.len()).sum();
    println!(
        "healed after {:?}; {accepted} jobs of {rows} rows; done: {done:?}, on the wires: {wire_faults:?}",
        started.elapsed()
    );
    heal(&trial, plan.seconds).await;
    trial.leftovers = true;
    trial.check().await;
    println!("every invariant holds after {:?}", started.elapsed());
    drop((servers, wires));
}

/// Does things to the wires and to the counters until it is told to stop. All is healed then.
async fn stir(
    wires: Arc<Wires>,
    servers: Servers,
    mut dice: Dice,
    mut stop: watch::Receiver<bool>,
) -> BTreeMap<&'static str, u32> {
    let mut done = BTreeMap::new();
    let all = [&wires.postgres, &wires.broker, &wires.redis];
    while !*stop.borrow() {
        let fault = WIRE_FAULTS[usize::try_from(dice.roll(6)).unwrap()];
        let wire = all[usize::try_from(dice.roll(3)).unwrap()];
        *done.entry(fault).or_default() += 1;
        match fault {
            "flush counters" => drop(servers.redis(&["FLUSHALL"])),
            "reset" => wire.reset(),
            "silence" => wire.set(Traffic::Blackhole),
            "delay" => wire.set(Traffic::Delay(Duration::from_millis(1 + dice.roll(200)))),
            "commit unanswered" => wires.postgres.reset_after(b"COMMIT"),
            _ => wires.postgres.reset_before(b"COMMIT"),
        }
        // Now and then silence is longer than two heartbeats.
        let longest = if dice.roll(6) == 0 { 25_000 } else { 2_000 };
        let a_while = Duration::from_millis(100 + dice.roll(longest));
        let _ = tokio::time::timeout(a_while, stop.changed()).await;
        for wire in all {
            wire.set(Traffic::Pass);
        }
    }
    done
}

/// Liveness: behind the faults every job ends within a bound, which is that of the slowest repair.
async fn heal(trial: &Trial, seconds: u64) {
    let healing = Instant::now();
    let bound = Duration::from_secs(300 + seconds);
    let unfinished = "select count(*) from jobs where finished_at is null";
    while trial.site.servers.as_ref().unwrap().number(unfinished).await > 0 {
        assert!(healing.elapsed() < bound, "jobs are not final after {:?}", healing.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

mod quick {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn anything_may_happen_for_a_minute() {
        let seed = wanted("MUSTER_CHAOS_SEED", u64::from(std::process::id()));
        run(Plan { seed, seconds: 60, jobs: 8, rows: 20_000, large: None }).await;
    }

    /// F93, F94: everything is restarted at once, and one after the other, under load.
    #[tokio::test(flavor = "multi_thread")]
    async fn everything_is_restarted() {
        let (servers, site) = super::super::breakable(2).await;
        let mut trial = Trial::new(site);
        let path = trial.upload(File::mixed(91, 9_000, 60_000)).await;
        trial.in_the_middle(&path).await;
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
    async fn anything_may_happen() {
        let seed = wanted("MUSTER_CHAOS_SEED", u64::from(std::process::id()));
        let seconds = wanted("MUSTER_CHAOS_SECONDS", 300);
        let jobs = wanted("MUSTER_CHAOS_JOBS", 20);
        let large = Some(wanted("MUSTER_CHAOS_LARGE_ROWS", 200_000));
        run(Plan { seed, seconds, jobs, rows: 30_000, large }).await;
    }
}
