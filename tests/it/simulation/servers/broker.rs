//! A simulated broker that reorders, duplicates, redelivers and loses messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use muster_messages::{BatchMessage, Envelope};
use muster_ports::{Consumer, Delivery, Publisher, Queue, QueueDepth, QueueError, QueueName, Settle};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::truth::Truth;
use crate::simulation::process::Process;
use crate::simulation::world::{Event, Port, World, lock};

/// After the fifth attempt a worker fails all rows of a batch, because they may be what kills workers. Here
/// the simulation kills workers, so it loses the message before that.
const MAX_REDELIVERIES: u32 = 4;

/// The broker that all processes share.
pub(crate) struct Broker {
    world: Arc<World>,
    truth: Arc<Truth>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    waiting: [Vec<Message>; QueueName::ALL.len()],
    unsettled: BTreeMap<u64, Unsettled>,
    tags: u64,
    lives: u64,
    redeliveries: BTreeMap<String, u32>,
}

struct Message {
    envelope: Envelope,
    redelivered: bool,
}

/// A message that was delivered but not settled.
struct Unsettled {
    queue: QueueName,
    life: u64,
    message: Message,
}

impl Broker {
    pub(crate) fn new(world: &Arc<World>, truth: &Arc<Truth>) -> Arc<Self> {
        Arc::new(Self { world: world.clone(), truth: truth.clone(), state: Mutex::default(), arrived: Notify::new() })
    }

    /// Returns a new number for a life of a process.
    pub(crate) fn next_life(&self) -> u64 {
        let mut state = lock(&self.state);
        state.lives += 1;
        state.lives
    }

    /// Returns the unsettled messages of a process to their queues.
    pub(crate) fn disconnect(&self, process: &Process) {
        let mut state = lock(&self.state);
        let tags = state.unsettled.iter().filter(|(_, held)| held.life == process.life).map(|(tag, _)| *tag);
        for tag in tags.collect::<Vec<_>>() {
            self.return_message(&mut state, tag);
        }
    }

    /// Loses all messages.
    pub(crate) fn lose_all(&self) {
        let mut state = lock(&self.state);
        state.waiting = Default::default();
        state.unsettled.clear();
    }

    /// The number of messages on queues and unsettled, without dead letters.
    pub(crate) fn messages(&self) -> usize {
        let state = lock(&self.state);
        let waiting: usize = state.waiting[..QueueName::Dead as usize].iter().map(Vec::len).sum();
        waiting + state.unsettled.len()
    }

    /// Adds a message to a queue.
    pub(crate) fn enqueue(&self, queue: QueueName, envelope: Envelope) {
        lock(&self.state).waiting[queue as usize].push(Message { envelope, redelivered: false });
        self.arrived.notify_waiters();
    }

    /// Returns an unsettled message to its queue, or loses it if it was redelivered too often.
    fn return_message(&self, state: &mut State, tag: u64) {
        let Some(Unsettled { queue, mut message, .. }) = state.unsettled.remove(&tag) else { return };
        let times = state.redeliveries.entry(message.envelope.message_id.clone()).or_default();
        *times += 1;
        if *times > MAX_REDELIVERIES && queue != QueueName::Split {
            self.world.record("broker", event_of(&message.envelope, "redeliver"), "LOST");
            return;
        }
        message.redelivered = true;
        state.waiting[queue as usize].push(message);
        self.arrived.notify_waiters();
    }

    /// Delivers a random message of a queue, if there is one.
    fn take(&self, queue: QueueName, life: u64) -> Option<(u64, Envelope, bool)> {
        let mut state = lock(&self.state);
        let waiting = &mut state.waiting[queue as usize];
        if waiting.is_empty() {
            return None;
        }
        let chosen = self.world.rng().usize(0..waiting.len());
        let message = waiting.swap_remove(chosen);
        let (envelope, redelivered) = (message.envelope.clone(), message.redelivered);
        state.tags += 1;
        let tag = state.tags;
        state.unsettled.insert(tag, Unsettled { queue, life, message });
        Some((tag, envelope, redelivered))
    }
}

/// The broker as one process sees it.
pub(crate) struct SimQueue(pub(crate) Arc<Process>);

impl Queue for SimQueue {
    fn consume(&self, queue: QueueName, prefetch: u16) -> Consumer {
        let (sender, receiver) = mpsc::channel(1);
        let permits = Arc::new(Semaphore::new(usize::from(prefetch)));
        self.0.tasks.spawn("consume", deliver(self.0.clone(), queue, permits, sender));
        Consumer::new(receiver)
    }
}

async fn deliver(process: Arc<Process>, queue: QueueName, permits: Arc<Semaphore>, sender: mpsc::Sender<Delivery>) {
    while let Ok(permit) = permits.clone().acquire_owned().await {
        process.step().await;
        let (tag, envelope, redelivered) = loop {
            let arrived = process.broker.arrived.notified();
            if let Some(taken) = process.broker.take(queue, process.life) {
                break taken;
            }
            tokio::select! {
                biased;
                () = arrived => {}
                () = sender.closed() => return,
            }
            process.step().await;
        };
        process.record(event_of(&envelope, "deliver"), if redelivered { "redelivered" } else { "" });
        let settle = SimSettle { process: process.clone(), tag, event: event_of(&envelope, "ack"), _permit: permit };
        if sender.send(Delivery::new(envelope, redelivered, Box::new(settle))).await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Publisher for SimQueue {
    async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError> {
        let (process, event) = (&self.0, event_of(&message, "publish"));
        let world = &process.world;
        process.step().await;
        if world.fails_before_effect(Port::Queue) {
            process.record(event, "refused");
            return Err(QueueError::Full(queue.as_str()));
        }
        process.record(event, "");
        let copies = if world.fault_occurs(world.plan.duplicate_rate) { 2 } else { 1 };
        for _ in 0..copies {
            process.broker.enqueue(queue, message.clone());
        }
        process.step().await;
        if world.fails_after_effect(Port::Queue) {
            process.record(event, "not confirmed");
            return Err(QueueError::Unavailable(None));
        }
        Ok(())
    }

    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError> {
        let waiting = lock(&self.0.broker.state).waiting[queue as usize].len() as u64;
        // A worker that was killed is started again.
        Ok(QueueDepth { waiting, consumers: 1 })
    }

    async fn check_ready(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

struct SimSettle {
    process: Arc<Process>,
    tag: u64,
    event: Event,
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl Settle for SimSettle {
    async fn ack(self: Box<Self>) {
        let (process, world) = (&self.process, &self.process.world);
        process.step().await;
        if world.fault_occurs(world.plan.lost_ack_rate) {
            // Dropping the handle returns the message to its queue.
            return process.record(self.event, "lost");
        }
        process.record(self.event, "");
        let Event { job, batch, .. } = self.event;
        if batch > 0 && !process.broker.truth.may_be_acknowledged(job, batch) {
            world.report_violation(&format!(
                "batch {job}:{batch} is acknowledged, but neither applied nor dropped for good"
            ));
        }
        lock(&process.broker.state).unsettled.remove(&self.tag);
        process.step().await;
    }

    async fn reject(self: Box<Self>, _envelope: Envelope, reason: &str) {
        let Event { job, batch, .. } = self.event;
        self.process.world.report_violation(&format!("the message of {job}:{batch} became a dead letter: {reason}"));
        lock(&self.process.broker.state).unsettled.remove(&self.tag);
    }
}

impl Drop for SimSettle {
    fn drop(&mut self) {
        if !self.process.is_dead() {
            self.process.broker.return_message(&mut lock(&self.process.broker.state), self.tag);
        }
    }
}

/// The event of a call that concerns a message.
fn event_of(envelope: &Envelope, what: &'static str) -> Event {
    let number = |name| envelope.headers.get(name).and_then(|text: &String| text.parse::<i64>().ok());
    let job = number("job").unwrap_or_default();
    let batch = BatchMessage::try_from(envelope).map_or(0, |message| message.batch.0);
    Event::for_batch(what, job, batch)
}
