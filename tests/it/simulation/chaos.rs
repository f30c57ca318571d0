//! Random external faults, one after another, for a limited time.

use std::sync::Arc;
use std::time::Duration;

use muster_domain::JobId;
use muster_messages::SplitMessage;
use muster_ports::QueueName;
use tokio::time::{Instant, sleep};

use super::plan::Fault;
use super::site::Site;
use super::world::{Event, Port};

/// Injects faults for as long as the plan says.
pub(crate) async fn run(site: &Arc<Site>) {
    let world = &site.world;
    let end = Instant::now() + Duration::from_millis(world.plan.faults_ms);
    while Instant::now() < end {
        let pause = world.rng().u64(1..=world.plan.max_fault_pause_ms);
        sleep(Duration::from_millis(pause)).await;
        if world.violation().is_some() {
            break;
        }
        let fault = world.rng().choice(&world.plan.faults).copied();
        if let Some(fault) = fault {
            inject(site, fault);
        }
    }
}

fn inject(site: &Arc<Site>, fault: Fault) {
    let world = &site.world;
    let duration = |range: std::ops::Range<u64>| Duration::from_millis(world.rng().u64(range));
    match fault {
        Fault::LoseBroker => {
            world.record("broker", Event::new("all messages"), "LOST");
            site.broker.lose_all();
        }
        Fault::LoseCounters => {
            world.record("counters", Event::new("all counters"), "LOST");
            site.counters.lose_all();
        }
        Fault::Outage => {
            let outage = duration(100..30_000);
            let port = Port::ALL[world.rng().usize(0..Port::ALL.len())];
            world.record(port.name(), Event::new("outage"), "UNAVAILABLE");
            world.make_unavailable(port, outage);
        }
        Fault::SpuriousSplitRequest => {
            let job = JobId(world.rng().i64(1..10));
            world.record("world", Event::for_job("split request", job.0), "SPURIOUS");
            site.broker.enqueue(QueueName::Split, SplitMessage { job }.into());
        }
        Fault::Kill | Fault::Stop | Fault::Pause | Fault::Disconnect => {
            let lives = site.lives(None);
            let Some(life) = world.rng().choice(lives) else { return };
            match fault {
                Fault::Kill => life.process.kill(),
                Fault::Disconnect => {
                    life.process.record(Event::new("connection"), "LOST");
                    site.broker.disconnect(&life.process);
                }
                Fault::Pause => life.process.pause(),
                _ => {
                    let (drain_time, exit_time) = (duration(1..10_000), duration(1..2_000));
                    life.process.record(Event::new("process"), "STOPPING");
                    let process = life.process.clone();
                    life.process.tasks.spawn("stop", async move {
                        process.shutdown.request();
                        sleep(drain_time).await;
                        process.shutdown.force();
                        sleep(exit_time).await;
                        process.kill();
                    });
                }
            }
        }
    }
}
