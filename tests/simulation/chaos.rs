//! Faults that come from outside, one after another, until calm comes.

use std::sync::Arc;
use std::time::Duration;

use muster_domain::JobId;
use muster_messages::SplitMessage;
use muster_ports::QueueName;
use tokio::time::{Instant, sleep};

use super::plan::Fault;
use super::site::Site;
use super::world::{Event, Port};

/// Lets faults happen for as long as the plan says.
pub(crate) async fn run(site: &Arc<Site>) {
    let world = &site.world;
    let end = Instant::now() + Duration::from_millis(world.plan.chaos_ms);
    while Instant::now() < end {
        let pause = world.rng().u64(1..=world.plan.fault_pause_ms);
        sleep(Duration::from_millis(pause)).await;
        if world.violation().is_some() {
            break;
        }
        let fault = world.rng().choice(&world.plan.faults).copied();
        if let Some(fault) = fault {
            strike(site, fault);
        }
    }
}

fn strike(site: &Arc<Site>, fault: Fault) {
    let world = &site.world;
    let time = |range: std::ops::Range<u64>| Duration::from_millis(world.rng().u64(range));
    match fault {
        Fault::LoseBroker => {
            world.note("broker", Event::of("all messages"), "LOST");
            site.broker.lose_all();
        }
        Fault::LoseCounters => {
            world.note("counters", Event::of("all counters"), "LOST");
            site.counters.lose_all();
        }
        Fault::Outage => {
            let away = time(100..30_000);
            let port = Port::ALL[world.rng().usize(0..Port::ALL.len())];
            world.note(port.name(), Event::of("outage"), "AWAY");
            world.take_away(port, away);
        }
        Fault::Bell => {
            let job = JobId(world.rng().i64(1..10));
            world.note("world", Event::job("bell", job.0), "RUNG");
            site.broker.put(QueueName::Split, SplitMessage { job }.into());
        }
        Fault::Kill | Fault::Stop | Fault::Pause | Fault::Cut => {
            let lives = site.lives(None);
            let Some(life) = world.rng().choice(lives) else { return };
            match fault {
                Fault::Kill => life.process.kill(),
                Fault::Cut => {
                    life.process.note(Event::of("connection"), "CUT");
                    site.broker.disconnect(&life.process);
                }
                Fault::Pause => life.process.pause(),
                _ => {
                    let (drain, rest) = (time(1..10_000), time(1..2_000));
                    life.process.note(Event::of("process"), "STOPPING");
                    let process = life.process.clone();
                    life.process.tasks.spawn("stop", async move {
                        process.shutdown.begin();
                        sleep(drain).await;
                        process.shutdown.force();
                        sleep(rest).await;
                        process.kill();
                    });
                }
            }
        }
    }
}
