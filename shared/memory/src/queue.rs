//! An in-memory queue of envelopes, bounded by bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use muster_messages::Envelope;
use muster_ports::{Consumer, Delivery, Publisher, Queue, QueueDepth, QueueError, QueueName, Settle};
use muster_runtime::{Shutdown, Tasks};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// The maximum total size of the bodies of waiting messages. A publisher waits until there is room.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// The maximum number of dead letters that are kept.
const MAX_DEAD_LETTERS: usize = 16;

/// The in-process queue.
pub struct MemoryQueue {
    shared: Arc<Shared>,
    tasks: Tasks,
    shutdown: Shutdown,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    room: Notify,
}

#[derive(Default)]
struct Waiting {
    queues: HashMap<QueueName, VecDeque<Item>>,
    bytes: usize,
    consumers: HashMap<QueueName, u64>,
}

struct Item {
    envelope: Envelope,
    redelivered: bool,
}

impl MemoryQueue {
    /// Creates an empty queue. `shutdown` ends its consumers.
    pub fn new(tasks: Tasks, shutdown: Shutdown) -> Self {
        Self { shared: Arc::default(), tasks, shutdown }
    }
}

impl Queue for MemoryQueue {
    fn consume(&self, queue: QueueName, prefetch: u16) -> Consumer {
        let (sender, receiver) = mpsc::channel(1);
        let shared = self.shared.clone();
        let shutdown = self.shutdown.clone();
        let permits = Arc::new(Semaphore::new(usize::from(prefetch)));
        self.tasks.spawn("consume", async move {
            *shared.waiting().consumers.entry(queue).or_default() += 1;
            shutdown.run_until_requested(deliver(shared.clone(), queue, permits, sender)).await;
            *shared.waiting().consumers.entry(queue).or_default() -= 1;
        });
        Consumer::new(receiver)
    }
}

#[async_trait]
impl Publisher for MemoryQueue {
    async fn publish(&self, queue: QueueName, message: Envelope) -> Result<(), QueueError> {
        let mut item = Some(Item { envelope: message, redelivered: false });
        loop {
            let room = self.shared.room.notified();
            if self.shared.push(queue, &mut item) {
                return Ok(());
            }
            room.await;
        }
    }

    async fn depth(&self, queue: QueueName) -> Result<QueueDepth, QueueError> {
        let waiting = self.shared.waiting();
        let messages = waiting.queues.get(&queue).map_or(0, |items| items.len() as u64);
        Ok(QueueDepth { waiting: messages, consumers: waiting.consumers.get(&queue).copied().unwrap_or_default() })
    }

    async fn check_ready(&self) -> Result<(), QueueError> {
        Ok(())
    }
}

async fn deliver(shared: Arc<Shared>, queue: QueueName, permits: Arc<Semaphore>, sender: mpsc::Sender<Delivery>) {
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let item = tokio::select! {
            item = shared.pop(queue) => item,
            () = sender.closed() => return,
        };
        let envelope = item.envelope.clone();
        let settle = MemorySettle { shared: shared.clone(), queue, item: Some(item), _permit: permit };
        let redelivered = settle.item.as_ref().is_some_and(|item| item.redelivered);
        if sender.send(Delivery::new(envelope, redelivered, Box::new(settle))).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the item out of `item` and adds it to the queue, if there is room or nothing else is waiting. Returns
    /// whether it did.
    fn push(&self, queue: QueueName, item: &mut Option<Item>) -> bool {
        let mut waiting = self.waiting();
        let size = item.as_ref().map_or(0, |item| item.envelope.body.len());
        if waiting.bytes > 0 && waiting.bytes + size > MAX_WAITING_BYTES {
            return false;
        }
        waiting.bytes += size;
        waiting.queues.entry(queue).or_default().extend(item.take());
        self.arrived.notify_waiters();
        true
    }

    /// Returns an unsettled item to the front of its queue.
    fn requeue(&self, queue: QueueName, mut item: Item) {
        item.redelivered = true;
        let mut waiting = self.waiting();
        waiting.bytes += item.envelope.body.len();
        waiting.queues.entry(queue).or_default().push_front(item);
        self.arrived.notify_waiters();
    }

    /// Adds a dead letter. Drops the oldest one if there are too many.
    fn add_dead_letter(&self, envelope: Envelope) {
        let mut waiting = self.waiting();
        waiting.bytes += envelope.body.len();
        let letters = waiting.queues.entry(QueueName::Dead).or_default();
        letters.push_back(Item { envelope, redelivered: false });
        let oldest = if letters.len() > MAX_DEAD_LETTERS { letters.pop_front() } else { None };
        waiting.bytes -= oldest.map_or(0, |item| item.envelope.body.len());
        self.arrived.notify_waiters();
    }

    async fn pop(&self, queue: QueueName) -> Item {
        loop {
            let arrived = self.arrived.notified();
            if let Some(item) = self.try_pop(queue) {
                return item;
            }
            arrived.await;
        }
    }

    fn try_pop(&self, queue: QueueName) -> Option<Item> {
        let mut waiting = self.waiting();
        let item = waiting.queues.get_mut(&queue)?.pop_front()?;
        waiting.bytes -= item.envelope.body.len();
        self.room.notify_waiters();
        Some(item)
    }
}

struct MemorySettle {
    shared: Arc<Shared>,
    queue: QueueName,
    item: Option<Item>,
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl Settle for MemorySettle {
    async fn ack(mut self: Box<Self>) {
        self.item = None;
    }

    async fn reject(mut self: Box<Self>, mut envelope: Envelope, reason: &str) {
        envelope.headers.insert("reason".to_owned(), reason.to_owned());
        self.item = None;
        self.shared.add_dead_letter(envelope);
    }
}

impl Drop for MemorySettle {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.shared.requeue(self.queue, item);
        }
    }
}
