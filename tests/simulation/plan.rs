//! What a seed decides at the beginning: how large the world is and which faults it knows. Few
//! faults at a time get further than all of them at once, so each world has its own choice.

use fastrand::Rng;
use muster_domain::scanner::RecordLimits;
use muster_ports::CutRules;

/// A fault that comes from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9.
    Kill,
    /// SIGTERM, and later an end by force.
    Stop,
    /// SIGSTOP for longer than a lease, then SIGCONT.
    Pause,
    /// The connections of a process to the broker break.
    Cut,
    /// The broker loses all messages.
    LoseBroker,
    /// FLUSHALL.
    LoseCounters,
    /// A system cannot be reached for a while.
    Outage,
    /// A split is rung for that nobody needs.
    Bell,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::Kill,
        Self::Stop,
        Self::Pause,
        Self::Cut,
        Self::LoseBroker,
        Self::LoseCounters,
        Self::Outage,
        Self::Bell,
    ];
}

/// What a seed decides at the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ingests: usize,
    pub(crate) workers: usize,
    pub(crate) concurrency: usize,
    pub(crate) tenants: usize,
    pub(crate) cut: CutRules,
    pub(crate) job_window: usize,
    pub(crate) total_window: usize,
    pub(crate) payload_key: Option<[u8; 32]>,
    /// Whether the database tells who waits of progress; otherwise they look for themselves.
    pub(crate) signals: bool,
    /// A call takes so long at most, there and back.
    pub(crate) latency_ms: u64,
    /// How often a call takes much longer.
    pub(crate) spikes: f64,
    /// How often a call of each port fails without an effect, and as often with one.
    pub(crate) failures: [f64; 4],
    /// How often a process dies on a step of a call.
    pub(crate) deaths: f64,
    /// How often a process stands still on a step of a call.
    pub(crate) pauses: f64,
    /// How often a message is put on the queue twice.
    pub(crate) duplicates: f64,
    /// How often an acknowledgement does not reach the broker.
    pub(crate) lost_acks: f64,
    pub(crate) faults: Vec<Fault>,
    /// The time between two faults at most.
    pub(crate) fault_pause_ms: u64,
    /// How long there are faults.
    pub(crate) chaos_ms: u64,
}

impl Plan {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let rate = |rng: &mut Rng, rates: &[f64]| rates[rng.usize(0..rates.len())];
        let faults = Fault::ALL.into_iter().filter(|_| rng.u8(0..3) == 0).collect();
        Self {
            ingests: rng.usize(1..=2),
            workers: rng.usize(1..=3),
            concurrency: rng.usize(1..=3),
            tenants: rng.usize(1..=2),
            cut: cut(rng),
            job_window: rng.usize(1..=8),
            total_window: rng.usize(2..=12),
            payload_key: rng.bool().then_some([7; 32]),
            signals: rng.bool(),
            latency_ms: [2, 20, 200, 1000][rng.usize(0..4)],
            spikes: rate(rng, &[0.0, 0.0, 0.01]),
            failures: std::array::from_fn(|_| rate(rng, &[0.0, 0.0, 0.01, 0.05])),
            deaths: rate(rng, &[0.0, 0.0, 0.003, 0.01]),
            pauses: rate(rng, &[0.0, 0.0, 0.001, 0.003]),
            duplicates: rate(rng, &[0.0, 0.05, 0.3]),
            lost_acks: rate(rng, &[0.0, 0.02, 0.1]),
            faults,
            fault_pause_ms: [1_000, 5_000, 20_000][rng.usize(0..3)],
            chaos_ms: [5_000, 20_000, 60_000, 120_000][rng.usize(0..4)],
        }
    }
}

/// Batches and epochs of a few rows.
fn cut(rng: &mut Rng) -> CutRules {
    CutRules {
        version: CutRules::VERSION,
        record: RecordLimits::default(),
        batch_rows: rng.u32(1..=4),
        batch_bytes: [120, 100_000][rng.usize(0..2)],
        epoch_rows: rng.u64(3..=40),
        unpacked_bytes: 1 << 20,
    }
}
