//! The decisions that a seed makes at the start of a run: the size of the world and its faults. Each
//! world has only some kinds of faults, because runs with all of them make little progress.

use fastrand::Rng;
use muster_domain::scanner::RecordLimits;
use muster_ports::CutRules;

/// An external fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`.
    Kill,
    /// SIGTERM, and later a forced exit.
    Stop,
    /// SIGSTOP, possibly for longer than a lease, then SIGCONT.
    Pause,
    /// A process loses its connections to the broker.
    Disconnect,
    /// The broker loses all messages.
    LoseBroker,
    /// `FLUSHALL`.
    LoseCounters,
    /// A server is unreachable for a while.
    Outage,
    /// A split request for a job that may not need one.
    SpuriousSplitRequest,
}

impl Fault {
    const ALL: [Self; 8] = [
        Self::Kill,
        Self::Stop,
        Self::Pause,
        Self::Disconnect,
        Self::LoseBroker,
        Self::LoseCounters,
        Self::Outage,
        Self::SpuriousSplitRequest,
    ];
}

/// The size and the faults of one world. Rates are probabilities from 0 to 1.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ingests: usize,
    pub(crate) workers: usize,
    pub(crate) concurrency: usize,
    pub(crate) tenants: usize,
    pub(crate) cut_rules: CutRules,
    pub(crate) job_window: usize,
    pub(crate) total_window: usize,
    pub(crate) payload_key: Option<[u8; 32]>,
    /// Whether the store notifies waiting tasks of progress; otherwise they poll.
    pub(crate) signals: bool,
    /// The maximum latency of each step of a call.
    pub(crate) max_latency_ms: u64,
    /// How often a step takes up to 5 seconds instead.
    pub(crate) latency_spike_rate: f64,
    /// For each port, how often a call fails before it has an effect, and how often after.
    pub(crate) failure_rates: [f64; 4],
    /// How often a process dies during a step of a call.
    pub(crate) death_rate: f64,
    /// How often a process is paused during a step of a call.
    pub(crate) pause_rate: f64,
    /// How often a message is enqueued twice.
    pub(crate) duplicate_rate: f64,
    /// How often an acknowledgement does not reach the broker.
    pub(crate) lost_ack_rate: f64,
    pub(crate) faults: Vec<Fault>,
    /// The maximum time between two external faults.
    pub(crate) max_fault_pause_ms: u64,
    /// How long faults of all kinds occur.
    pub(crate) faults_ms: u64,
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
            cut_rules: cut_rules(rng),
            job_window: rng.usize(1..=8),
            total_window: rng.usize(2..=12),
            payload_key: rng.bool().then_some([7; 32]),
            signals: rng.bool(),
            max_latency_ms: [2, 20, 200, 1000][rng.usize(0..4)],
            latency_spike_rate: rate(rng, &[0.0, 0.0, 0.01]),
            failure_rates: std::array::from_fn(|_| rate(rng, &[0.0, 0.0, 0.01, 0.05])),
            death_rate: rate(rng, &[0.0, 0.0, 0.003, 0.01]),
            pause_rate: rate(rng, &[0.0, 0.0, 0.001, 0.003]),
            duplicate_rate: rate(rng, &[0.0, 0.05, 0.3]),
            lost_ack_rate: rate(rng, &[0.0, 0.02, 0.1]),
            faults,
            max_fault_pause_ms: [1_000, 5_000, 20_000][rng.usize(0..3)],
            faults_ms: [5_000, 20_000, 60_000, 120_000][rng.usize(0..4)],
        }
    }
}

/// Rules that cut small batches and epochs.
fn cut_rules(rng: &mut Rng) -> CutRules {
    CutRules {
        version: CutRules::VERSION,
        record: RecordLimits::default(),
        batch_rows: rng.u32(1..=4),
        batch_bytes: [120, 100_000][rng.usize(0..2)],
        epoch_rows: rng.u64(3..=40),
        unpacked_bytes: 1 << 20,
        max_failed_rows: [0, 3, 1_000_000][rng.usize(0..3)],
        ..CutRules::default()
    }
}
