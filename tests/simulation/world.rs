//! What a seed decides, what has happened so far, and what must never happen.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::plan::Plan;

/// The virtual time at which every world begins, in milliseconds since 1970 UTC.
pub(crate) const BEGIN_MS: i64 = 1_800_000_000_000;
/// Events that are kept to be shown.
const KEPT: usize = 400;

/// A system that a port leads to.
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

/// One thing that happens: a call of a port, a fault, a step of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) what: &'static str,
    pub(crate) job: i64,
    pub(crate) batch: u32,
}

impl Event {
    pub(crate) const fn of(what: &'static str) -> Self {
        Self { what, job: 0, batch: 0 }
    }

    pub(crate) const fn job(what: &'static str, job: i64) -> Self {
        Self { what, job, batch: 0 }
    }

    pub(crate) const fn batch(what: &'static str, job: i64, batch: u32) -> Self {
        Self { what, job, batch }
    }
}

/// The record of a run. Two runs of one seed have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) events: u64,
    pub(crate) hash: u64,
    pub(crate) virtual_ms: u64,
}

struct Note {
    ms: u64,
    who: String,
    event: Event,
    fate: &'static str,
}

impl Note {
    fn line(&self) -> String {
        let (seconds, Event { what, job, batch }) = (Duration::from_millis(self.ms).as_secs_f64(), self.event);
        format!("{seconds:10.3} {:12} {what:24} {job:4}:{batch:<4} {}", self.who, self.fate)
    }
}

#[derive(Default)]
struct Trace {
    digest: Digest,
    notes: VecDeque<Note>,
}

/// The first thing that happened and must never happen.
pub(crate) type Violation = Arc<Mutex<Option<String>>>;

/// One run.
pub(crate) struct World {
    pub(crate) plan: Plan,
    begun: Instant,
    /// Whether each event is shown at once.
    verbose: bool,
    rng: Mutex<Rng>,
    trace: Mutex<Trace>,
    violation: Violation,
    /// Faults have stopped.
    calm: Mutex<bool>,
    /// When the last process that stands still goes on.
    goes_on: Mutex<Instant>,
    /// Until when each system is away.
    away: Mutex<[Option<Instant>; Port::ALL.len()]>,
}

impl World {
    pub(crate) fn new(plan: Plan, rng: Rng, violation: Violation, verbose: bool) -> Self {
        Self {
            plan,
            begun: Instant::now(),
            verbose,
            rng: Mutex::new(rng),
            trace: Mutex::default(),
            violation,
            calm: Mutex::new(false),
            goes_on: Mutex::new(Instant::now()),
            away: Mutex::default(),
        }
    }

    /// The virtual time since the beginning, in milliseconds.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, Rng> {
        lock(&self.rng)
    }

    /// Whether something happens now that happens so often.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && self.rng().f64() < probability
    }

    /// The same for a fault.
    pub(crate) fn goes_wrong(&self, probability: f64) -> bool {
        !self.is_calm() && self.happens(probability)
    }

    /// How long a call takes on its way.
    pub(crate) fn latency(&self) -> Duration {
        let mut rng = self.rng();
        let rarely_long = !*lock(&self.calm) && rng.f64() < self.plan.spikes;
        let limit = if rarely_long { 5_000 } else { self.plan.latency_ms };
        Duration::from_millis(rng.u64(0..=limit))
    }

    pub(crate) fn is_calm(&self) -> bool {
        *lock(&self.calm)
    }

    /// Ends all faults.
    pub(crate) fn calm_down(&self) {
        *lock(&self.calm) = true;
        *lock(&self.away) = Default::default();
    }

    /// A process stands still.
    pub(crate) fn stands_until(&self, until: Instant) {
        let mut goes_on = lock(&self.goes_on);
        *goes_on = until.max(*goes_on);
    }

    /// When the last process that stands still goes on.
    pub(crate) fn goes_on(&self) -> Instant {
        *lock(&self.goes_on)
    }

    pub(crate) fn take_away(&self, port: Port, time: Duration) {
        lock(&self.away)[port as usize] = Some(Instant::now() + time);
    }

    /// Whether a call fails before it has had an effect.
    pub(crate) fn fails_before(&self, port: Port) -> bool {
        let away = lock(&self.away)[port as usize].is_some_and(|until| until > Instant::now());
        away || self.goes_wrong(self.plan.failures[port as usize])
    }

    /// Whether the answer of a call that had its effect is lost.
    pub(crate) fn fails_after(&self, port: Port) -> bool {
        self.goes_wrong(self.plan.failures[port as usize])
    }

    /// Writes down what happened to whom.
    pub(crate) fn note(&self, who: &str, event: Event, fate: &'static str) {
        let now = self.elapsed_ms();
        let mut trace = lock(&self.trace);
        let digest = &mut trace.digest;
        digest.events += 1;
        digest.virtual_ms = now;
        for part in [who.as_bytes(), event.what.as_bytes(), fate.as_bytes()] {
            digest.hash = part.iter().fold(digest.hash, |hash, byte| mix(hash, u64::from(*byte)));
        }
        for number in [now, event.job.cast_unsigned(), u64::from(event.batch)] {
            digest.hash = mix(digest.hash, number);
        }
        if trace.notes.len() >= KEPT {
            trace.notes.pop_front();
        }
        let note = Note { ms: now, who: who.to_owned(), event, fate };
        if self.verbose {
            show(&note.line());
        }
        trace.notes.push_back(note);
    }

    /// Something happened that must never happen.
    pub(crate) fn violate(&self, invariant: &str) {
        self.note("world", Event::of("VIOLATION"), "");
        lock(&self.violation).get_or_insert_with(|| invariant.to_owned());
    }

    pub(crate) fn violation(&self) -> Option<String> {
        lock(&self.violation).clone()
    }

    pub(crate) fn digest(&self) -> Digest {
        lock(&self.trace).digest
    }

    /// The last events, one a line.
    pub(crate) fn story(&self) -> String {
        lock(&self.trace).notes.iter().map(|note| note.line() + "\n").collect()
    }
}

fn mix(hash: u64, number: u64) -> u64 {
    (hash.rotate_left(5) ^ number).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// Prints a line past the capture of the test runner.
pub(crate) fn show(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// The lock of something that only one thread uses.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
