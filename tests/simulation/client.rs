//! Clients: they upload files, cancel and delete some, and ask how far they are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::files::File;
use super::site::{Role, Site};
use super::world::{Event, World, lock};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the clients of one tenant have done.
#[derive(Default)]
pub(crate) struct Deeds {
    /// The file of each job that was accepted.
    pub(crate) accepted: BTreeMap<i64, usize>,
    pub(crate) canceled: BTreeSet<i64>,
    pub(crate) deleted: BTreeSet<i64>,
}

/// The clients of one tenant.
pub(crate) struct Client {
    pub(crate) site: Arc<Site>,
    pub(crate) token: String,
    pub(crate) files: Vec<File>,
    pub(crate) deeds: Mutex<Deeds>,
}

impl Client {
    /// Uploads every file, and interferes with some.
    pub(crate) async fn run(&self) {
        for (index, file) in self.files.iter().enumerate() {
            self.rest(self.site.world.plan.chaos_ms / 4).await;
            // The first file makes a user on which the others count.
            let mut job = self.upload(file).await;
            while index == 0 && job.is_none() {
                self.rest(2_000).await;
                job = self.upload(file).await;
            }
            let Some(job) = job else { continue };
            lock(&self.deeds).accepted.insert(job, index);
            let whim = self.site.world.rng().u8(0..10);
            if index > 0 && whim < 4 {
                let soon = self.site.world.rng().choice([100, 1_000, 10_000]).unwrap();
                self.rest(soon).await;
                self.interfere(job, whim == 0).await;
            }
        }
    }

    /// Asks for every accepted job again and again; never may an answer be behind an earlier one.
    pub(crate) async fn watch(&self, status: &Router) {
        let mut seen = BTreeMap::new();
        loop {
            self.rest(3_000).await;
            let jobs: Vec<i64> = lock(&self.deeds).accepted.keys().copied().collect();
            for job in jobs {
                if seen.get(&job).is_some_and(|seen: &Seen| seen.rank == 2) && self.site.world.rng().u8(0..8) > 0 {
                    continue;
                }
                let answer = self.ask(status, Method::GET, &format!("/bulk/v1/files/{job}"), None).await;
                let Some((200, answer)) = answer else { continue };
                let now = Seen::of(&answer);
                if let Some(fault) = now.fault(seen.get(&job)) {
                    self.site
                        .world
                        .violate(&format!("the status of job {job} {fault}: {now:?} after {:?}", seen.get(&job)));
                }
                seen.insert(job, now);
            }
        }
    }

    async fn rest(&self, limit_ms: u64) {
        let time = self.site.world.rng().u64(1..=limit_ms);
        sleep(Duration::from_millis(time)).await;
    }

    async fn upload(&self, file: &File) -> Option<i64> {
        let routes = self.ingest()?;
        let (status, answer) = self.ask(&routes, Method::POST, "/bulk/v1/files", Some(file)).await?;
        if status != 202 {
            if status < 500 {
                self.site.world.violate(&format!("a good upload is answered with {status}: {answer}"));
            }
            return None;
        }
        let job = answer["status_url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap().parse().unwrap();
        self.note(Event::job("upload", job), "ACCEPTED");
        Some(job)
    }

    async fn interfere(&self, job: i64, delete: bool) {
        let Some(routes) = self.ingest() else { return };
        // Before it is known whether it had an effect.
        if delete {
            lock(&self.deeds).deleted.insert(job);
            let answer = self.ask(&routes, Method::DELETE, &format!("/bulk/v1/files/{job}"), None).await;
            self.note(Event::job("delete", job), if answer.is_some_and(|(code, _)| code == 200) { "DONE" } else { "" });
        } else {
            lock(&self.deeds).canceled.insert(job);
            let answer = self.ask(&routes, Method::POST, &format!("/bulk/v1/files/{job}/cancel"), None).await;
            self.note(Event::job("cancel", job), if answer.is_some_and(|(code, _)| code == 200) { "DONE" } else { "" });
        }
    }

    fn ingest(&self) -> Option<Router> {
        let lives = self.site.lives(Some(Role::Ingest));
        let life = self.site.world.rng().choice(lives)?;
        life.routes
    }

    /// The status and the body of an answer, if there is one in time.
    async fn ask(&self, routes: &Router, method: Method, path: &str, file: Option<&File>) -> Option<(u16, Value)> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {}", self.token));
        let mut body = Body::empty();
        if let Some(file) = file {
            let handling = if file.lenient { "handling=lenient" } else { "handling=strict" };
            request = request.header("content-type", "text/csv").header("prefer", handling);
            body = Body::from(file.text.clone());
        }
        let response = timeout(PATIENCE, routes.clone().oneshot(request.body(body).unwrap())).await.ok()?.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn note(&self, event: Event, fate: &'static str) {
        let world: &World = &self.site.world;
        world.note(&self.token, event, fate);
    }
}

/// What an answer said about a job.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    /// Pending, processing, final.
    rank: u8,
    status: String,
    processed: u64,
    total: u64,
    outcomes: [u64; 4],
    percent: f64,
}

impl Seen {
    fn of(answer: &Value) -> Self {
        let number = |name: &str| answer[name].as_u64().unwrap();
        let status = answer["status"].as_str().unwrap().to_owned();
        Self {
            rank: match status.as_str() {
                "PENDING" => 0,
                "PROCESSING" => 1,
                _ => 2,
            },
            status,
            processed: number("processed_users"),
            total: number("total_users"),
            outcomes: ["created_users", "updated_users", "unchanged_users", "failed_users"].map(number),
            percent: answer["percent"].as_f64().unwrap_or_default(),
        }
    }

    /// What is wrong about it, after an earlier answer.
    fn fault(&self, before: Option<&Self>) -> Option<&'static str> {
        if self.outcomes.iter().sum::<u64>() != self.processed || self.processed > self.total {
            return Some("does not add up");
        }
        let before = before?;
        let back = self.rank < before.rank
            || self.processed < before.processed
            || self.percent < before.percent
            || self.outcomes.iter().zip(before.outcomes).any(|(now, before)| *now < before);
        if back {
            return Some("went backwards");
        }
        (before.rank == 2 && self != before).then_some("changed after its end")
    }
}
