//! The real services (ingest, worker, status) over simulated ports: one thread, a virtual clock, and a
//! seed that decides every delay, order and fault.
//!
//! | part | module |
//! | --- | --- |
//! | one run of one seed | [`mod@run`], [`world`] |
//! | the size of the world and its faults | [`plan`] |
//! | files, and the result that a single thread would have | [`files`], [`verdict::model`] |
//! | simulated ports; what a sick database, queue or disk answers | [`servers`] |
//! | processes, their deaths and pauses | [`process`], [`site`], [`chaos`] |
//! | clients | [`client`] |
//! | invariants at the end of a run | [`verdict`] |
//! | invariants at every step | [`servers`], [`client`], [`run::error_log`] |
//!
//! `MUSTER_SIM_SEEDS=50000` runs more seeds. `MUSTER_SIM_SEED=17` runs one seed and prints its trace.

mod chaos;
mod client;
mod files;
mod plan;
mod process;
mod run;
mod servers;
mod site;
mod verdict;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::run;

/// The number of seeds that the test runs by default.
const DEFAULT_SEEDS: u64 = 2_000;
/// The number of seeds that run at the same time, each on its own thread and runtime.
const THREADS: usize = 2;

fn number_from_env(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the caller of the tests chooses the seeds")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

fn describe_failure(seed: u64, failure: &str, trace: &str) -> String {
    format!(
        "{trace}\nseed {seed}: {failure}\n\nTo run this seed alone:\n    \
         MUSTER_SIM_SEED={seed} cargo test -p muster --test it simulation -- --nocapture\n"
    )
}

#[test]
fn every_seed_ends_with_the_result_of_a_single_thread() {
    if let Some(seed) = number_from_env("MUSTER_SIM_SEED") {
        let result = run(seed, true);
        println!("seed {seed}: {:?}", result.digest);
        if let Some(failure) = result.failure {
            panic!("{}", describe_failure(seed, &failure, ""));
        }
        return;
    }
    let (seeds, started) = (number_from_env("MUSTER_SIM_SEEDS").unwrap_or(DEFAULT_SEEDS), Instant::now());
    let (next, events, virtual_ms) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let result = run(seed, false);
            if let Some(failure) = result.failure {
                // Stop the other threads too.
                next.store(seeds, Ordering::Relaxed);
                panic!("{}", describe_failure(seed, &failure, &result.trace));
            }
            events.fetch_add(result.digest.events, Ordering::Relaxed);
            virtual_ms.fetch_add(result.digest.virtual_ms, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        (0..THREADS).map(|_| scope.spawn(work)).collect::<Vec<_>>().into_iter().for_each(|thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    });
    println!(
        "{seeds} seeds, {} events, {} hours of virtual time in {:.1} s",
        events.into_inner(),
        virtual_ms.into_inner() / 3_600_000,
        started.elapsed().as_secs_f64()
    );
}

#[test]
fn a_seed_always_has_the_same_trace() {
    for seed in [3, 1_000_003, 2_000_003, 3_000_003] {
        let (first, second) = (run(seed, false), run(seed, false));
        assert!(first.digest.events > 100, "seed {seed} has only {} events", first.digest.events);
        assert_eq!(first.digest, second.digest, "digests of seed {seed}");
        assert_eq!(first.trace, second.trace, "traces of seed {seed}");
    }
}
