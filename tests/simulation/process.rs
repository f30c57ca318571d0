//! A simulated process: its handles may die, or stand still for a while.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_runtime::{Shutdown, Tasks};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::broker::Broker;
use super::world::{Event, World, lock};

/// Longer than a lease of a minute, and shorter.
const PAUSE_MS: std::ops::Range<u64> = 1_000..150_000;

/// One life of a process, from its start to its end.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) name: String,
    /// No two lives have the same.
    pub(crate) life: u64,
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    dead: AtomicBool,
    /// Wakes whoever starts the next life.
    pub(crate) died: Notify,
    stands_until: Mutex<Option<Instant>>,
    /// Whether it dies on steps of its calls.
    mortal: bool,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, broker: &Arc<Broker>, name: String, mortal: bool) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            broker: broker.clone(),
            name,
            life: broker.next_life(),
            tasks: Tasks::in_place(),
            shutdown: Shutdown::new(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
            stands_until: Mutex::default(),
            mortal,
        })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// kill -9: nothing that it does from now on has an effect.
    pub(crate) fn kill(&self) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            self.note(Event::of("process"), "KILLED");
            self.broker.disconnect(self);
            self.died.notify_one();
        }
    }

    /// SIGSTOP. Its connections break meanwhile; it does not know.
    pub(crate) fn pause(&self) {
        self.note(Event::of("process"), "PAUSED");
        let until = Instant::now() + Duration::from_millis(self.world.rng().u64(PAUSE_MS));
        *lock(&self.stands_until) = Some(until);
        self.world.stands_until(until);
        self.broker.disconnect(self);
    }

    /// A step of a call: some time passes, and the process may not live to see the next.
    pub(crate) async fn step(&self) {
        match self.world.latency() {
            Duration::ZERO => tokio::task::yield_now().await,
            latency => sleep(latency).await,
        }
        if self.mortal && self.world.goes_wrong(self.world.plan.deaths) {
            self.kill();
        }
        if self.mortal && self.world.goes_wrong(self.world.plan.pauses) {
            self.pause();
        }
        self.live().await;
    }

    /// Goes on only while the process lives and does not stand still.
    pub(crate) async fn live(&self) {
        while !self.is_dead() {
            let until = *lock(&self.stands_until);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
        std::future::pending::<()>().await;
    }

    pub(crate) fn note(&self, event: Event, fate: &'static str) {
        self.world.note(&self.name, event, fate);
    }
}
