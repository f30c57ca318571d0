//! The state of one run: its random numbers, clock, faults, trace and first violated invariant.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::plan::Plan;

/// The virtual time at which every run starts, in milliseconds since 1970 UTC.
pub(crate) const START_MS: i64 = 1_800_000_000_000;
/// The number of events that are kept for the trace of a failed run.
const MAX_TRACE_ENTRIES: usize = 400;

/// A port, and the server that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Store,
    Queue,
    Counters,
    Raw,
}

impl Port {
    pub(crate) const ALL: [Self; 4] = [Self::Store, Self::Queue, Self::Counters, Self::Raw];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Queue => "queue",
            Self::Counters => "counters",
            Self::Raw => "raw store",
        }
    }
}

/// A call of a port, a fault, or a request of a client. Job and batch are 0 if it concerns none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) what: &'static str,
    pub(crate) job: i64,
    pub(crate) batch: u32,
}

impl Event {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, job: 0, batch: 0 }
    }

    pub(crate) const fn for_job(what: &'static str, job: i64) -> Self {
        Self { what, job, batch: 0 }
    }

    pub(crate) const fn for_batch(what: &'static str, job: i64, batch: u32) -> Self {
        Self { what, job, batch }
    }
}

/// The digest of all events of a run. Two runs of one seed have the same digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) events: u64,
    pub(crate) hash: u64,
    pub(crate) virtual_ms: u64,
}

struct TraceEntry {
    ms: u64,
    actor: String,
    event: Event,
    result: &'static str,
}

impl TraceEntry {
    fn line(&self) -> String {
        let (seconds, Event { what, job, batch }) = (Duration::from_millis(self.ms).as_secs_f64(), self.event);
        format!("{seconds:10.3} {:12} {what:24} {job:4}:{batch:<4} {}", self.actor, self.result)
    }
}

#[derive(Default)]
struct Trace {
    digest: Digest,
    entries: VecDeque<TraceEntry>,
}

/// The first violated invariant.
pub(crate) type Violation = Arc<Mutex<Option<String>>>;

/// One run.
pub(crate) struct World {
    pub(crate) plan: Plan,
    started: Instant,
    /// Whether each event is printed as it occurs.
    verbose: bool,
    rng: Mutex<Rng>,
    trace: Mutex<Trace>,
    violation: Violation,
    faults_have_ended: Mutex<bool>,
    /// The end of the last pause of any process.
    last_resume: Mutex<Instant>,
    /// The end of the outage of each server.
    unavailable_until: Mutex<[Option<Instant>; Port::ALL.len()]>,
}

impl World {
    pub(crate) fn new(plan: Plan, rng: Rng, violation: Violation, verbose: bool) -> Self {
        Self {
            plan,
            started: Instant::now(),
            verbose,
            rng: Mutex::new(rng),
            trace: Mutex::default(),
            violation,
            faults_have_ended: Mutex::new(false),
            last_resume: Mutex::new(Instant::now()),
            unavailable_until: Mutex::default(),
        }
    }

    /// The virtual time since the start of the run, in milliseconds.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, Rng> {
        lock(&self.rng)
    }

    /// Returns true with this probability.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.rng().f64() < probability
    }

    /// Returns true with this probability, but never once faults have ended.
    pub(crate) fn fault_occurs(&self, probability: f64) -> bool {
        !self.faults_have_ended() && self.chance(probability)
    }

    /// A random latency for one step of a call.
    pub(crate) fn latency(&self) -> Duration {
        let mut rng = self.rng();
        let is_spike = !*lock(&self.faults_have_ended) && rng.f64() < self.plan.latency_spike_rate;
        let limit = if is_spike { 5_000 } else { self.plan.max_latency_ms };
        Duration::from_millis(rng.u64(0..=limit))
    }

    pub(crate) fn faults_have_ended(&self) -> bool {
        *lock(&self.faults_have_ended)
    }

    /// Ends all faults, including outages.
    pub(crate) fn end_faults(&self) {
        *lock(&self.faults_have_ended) = true;
        *lock(&self.unavailable_until) = Default::default();
    }

    /// Records that a process is paused until this time.
    pub(crate) fn record_pause(&self, until: Instant) {
        let mut last_resume = lock(&self.last_resume);
        *last_resume = until.max(*last_resume);
    }

    /// The end of the last pause of any process.
    pub(crate) fn last_resume(&self) -> Instant {
        *lock(&self.last_resume)
    }

    pub(crate) fn make_unavailable(&self, port: Port, duration: Duration) {
        lock(&self.unavailable_until)[port as usize] = Some(Instant::now() + duration);
    }

    /// Whether a call fails before it has an effect.
    pub(crate) fn fails_before_effect(&self, port: Port) -> bool {
        let is_unavailable = lock(&self.unavailable_until)[port as usize].is_some_and(|until| until > Instant::now());
        is_unavailable || self.fault_occurs(self.plan.failure_rates[port as usize])
    }

    /// Whether the reply of a call is lost after the call had its effect.
    pub(crate) fn fails_after_effect(&self, port: Port) -> bool {
        self.fault_occurs(self.plan.failure_rates[port as usize])
    }

    /// Adds an event to the trace and to the digest.
    pub(crate) fn record(&self, actor: &str, event: Event, result: &'static str) {
        let now = self.elapsed_ms();
        let mut trace = lock(&self.trace);
        let digest = &mut trace.digest;
        digest.events += 1;
        digest.virtual_ms = now;
        for part in [actor.as_bytes(), event.what.as_bytes(), result.as_bytes()] {
            digest.hash = part.iter().fold(digest.hash, |hash, byte| mix(hash, u64::from(*byte)));
        }
        for number in [now, event.job.cast_unsigned(), u64::from(event.batch)] {
            digest.hash = mix(digest.hash, number);
        }
        if trace.entries.len() >= MAX_TRACE_ENTRIES {
            trace.entries.pop_front();
        }
        let entry = TraceEntry { ms: now, actor: actor.to_owned(), event, result };
        if self.verbose {
            print_line(&entry.line());
        }
        trace.entries.push_back(entry);
    }

    /// Reports a violated invariant. Only the first report of a run is kept.
    pub(crate) fn report_violation(&self, invariant: &str) {
        self.record("world", Event::new("VIOLATION"), "");
        lock(&self.violation).get_or_insert_with(|| invariant.to_owned());
    }

    pub(crate) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }

    pub(crate) fn digest(&self) -> Digest {
        lock(&self.trace).digest
    }

    /// The last events, one per line.
    pub(crate) fn trace(&self) -> String {
        lock(&self.trace).entries.iter().map(|entry| entry.line() + "\n").collect()
    }
}

fn mix(hash: u64, number: u64) -> u64 {
    (hash.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// Prints a line that the test runner does not capture.
pub(crate) fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Locks a mutex that only one thread uses.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
