//! A simulated process, which may die or be paused.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_runtime::{Shutdown, Tasks};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::servers::broker::Broker;
use super::world::{Event, World, lock};

/// Pauses both shorter and longer than a lease of one minute.
const PAUSE_MS: std::ops::Range<u64> = 1_000..150_000;

/// One life of a process, from its start to its death. A restarted process is another `Process`.
pub(crate) struct Process {
    pub(crate) world: Arc<World>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) name: String,
    /// The unique number of this life.
    pub(crate) life: u64,
    pub(crate) tasks: Tasks,
    pub(crate) shutdown: Shutdown,
    dead: AtomicBool,
    /// Notifies the supervisor, which starts the next life.
    pub(crate) died: Notify,
    paused_until: Mutex<Option<Instant>>,
    /// Whether it may die or be paused during a step of a call.
    may_fail: bool,
}

impl Process {
    pub(crate) fn new(world: &Arc<World>, broker: &Arc<Broker>, name: String, may_fail: bool) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            broker: broker.clone(),
            name,
            life: broker.next_life(),
            tasks: Tasks::in_place(),
            shutdown: Shutdown::new(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
            paused_until: Mutex::default(),
            may_fail,
        })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// `kill -9`: from now on it does nothing.
    pub(crate) fn kill(&self) {
        if !self.dead.swap(true, Ordering::Relaxed) {
            self.record(Event::new("process"), "KILLED");
            self.broker.disconnect(self);
            self.died.notify_one();
        }
    }

    /// SIGSTOP. The broker drops its connections, which it notices only after the pause.
    pub(crate) fn pause(&self) {
        self.record(Event::new("process"), "PAUSED");
        let until = Instant::now() + Duration::from_millis(self.world.rng().u64(PAUSE_MS));
        *lock(&self.paused_until) = Some(until);
        self.world.record_pause(until);
        self.broker.disconnect(self);
    }

    /// A step of a call: some time passes, during which the process may die or be paused.
    pub(crate) async fn step(&self) {
        match self.world.latency() {
            Duration::ZERO => tokio::task::yield_now().await,
            latency => sleep(latency).await,
        }
        if self.may_fail && self.world.fault_occurs(self.world.plan.death_rate) {
            self.kill();
        }
        if self.may_fail && self.world.fault_occurs(self.world.plan.pause_rate) {
            self.pause();
        }
        self.wait_while_paused().await;
    }

    /// Waits until the process is not paused. Never returns if it is dead.
    pub(crate) async fn wait_while_paused(&self) {
        while !self.is_dead() {
            let until = *lock(&self.paused_until);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
        std::future::pending::<()>().await;
    }

    pub(crate) fn record(&self, event: Event, result: &'static str) {
        self.world.record(&self.name, event, result);
    }
}
