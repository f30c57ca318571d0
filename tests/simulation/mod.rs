//! The real splitter, worker, counters, completion and reconciler over simulated ports: one thread, a
//! virtual clock, and a seed that decides every delay, order and fault.
//!
//! | part | module |
//! | --- | --- |
//! | what a seed decides at the beginning | [`plan`] |
//! | files, and what a single thread would make of them | [`files`], [`model`] |
//! | the ports as a process sees them | [`store`], [`broker`], [`side`] |
//! | processes, their deaths and pauses | [`process`], [`site`], [`chaos`] |
//! | clients | [`client`] |
//! | what must be true at the end | [`verdict`]; at every moment: [`store`], [`broker`], [`side`], [`client`] |
//!
//! `MUSTER_SIM_SEEDS=50000` runs more seeds, `MUSTER_SIM_SEED=17` runs one and shows its story.

mod broker;
mod chaos;
mod client;
mod files;
mod model;
mod plan;
mod process;
mod run;
mod side;
mod site;
mod store;
mod verdict;
mod watch;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::run;

/// Seeds of one run of the tests.
const SEEDS: u64 = 2_000;
/// Runtimes at the same time, each on a thread of its own.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests chooses the seeds")]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

fn describe_failure(seed: u64, fault: &str, story: &str) -> String {
    format!(
        "{story}\nseed {seed}: {fault}\n\nTo run it alone:\n    \
         MUSTER_SIM_SEED={seed} cargo test -p muster --test it simulation -- --nocapture\n"
    )
}

#[test]
fn whatever_happens_the_result_is_that_of_a_single_thread() {
    if let Some(seed) = number("MUSTER_SIM_SEED") {
        let end = run(seed, true);
        println!("seed {seed}: {:?}", end.digest);
        if let Some(fault) = end.fault {
            panic!("{}", describe_failure(seed, &fault, ""));
        }
        return;
    }
    let (seeds, begun) = (number("MUSTER_SIM_SEEDS").unwrap_or(SEEDS), Instant::now());
    let (next, events, virtual_ms) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let end = run(seed, false);
            if let Some(fault) = end.fault {
                // The other thread ends, too.
                next.store(seeds, Ordering::Relaxed);
                panic!("{}", describe_failure(seed, &fault, &end.story));
            }
            events.fetch_add(end.digest.events, Ordering::Relaxed);
            virtual_ms.fetch_add(end.digest.virtual_ms, Ordering::Relaxed);
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
        begun.elapsed().as_secs_f64()
    );
}

#[test]
fn a_seed_has_one_story() {
    for seed in [3, 1_000_003, 2_000_003, 3_000_003] {
        let (one, two) = (run(seed, false), run(seed, false));
        assert!(one.digest.events > 100, "seed {seed} does something");
        assert_eq!(one.digest, two.digest, "seed {seed}");
        assert_eq!(one.story, two.story, "seed {seed}");
    }
}
