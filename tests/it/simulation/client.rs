//! Simulated clients that upload files, cancel and delete some, and poll the status of all.

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

/// How long a client waits for a response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The requests that the clients of one tenant have made.
#[derive(Default)]
pub(crate) struct History {
    /// The index of the file of each accepted job.
    pub(crate) accepted: BTreeMap<i64, usize>,
    /// Jobs whose cancellation was requested, whether or not it had an effect.
    pub(crate) canceled: BTreeSet<i64>,
    /// Jobs whose deletion was requested, whether or not it had an effect.
    pub(crate) deleted: BTreeSet<i64>,
}

/// The clients of one tenant.
pub(crate) struct Client {
    pub(crate) site: Arc<Site>,
    pub(crate) token: String,
    pub(crate) files: Vec<File>,
    pub(crate) history: Mutex<History>,
}

impl Client {
    /// Uploads every file, and cancels or deletes some of the jobs.
    pub(crate) async fn run(&self) {
        for (index, file) in self.files.iter().enumerate() {
            self.pause(self.site.world.plan.faults_ms / 4).await;
            // The first file must be accepted: it creates a user on which the others depend.
            let mut job = self.upload(file).await;
            while index == 0 && job.is_none() {
                self.pause(2_000).await;
                job = self.upload(file).await;
            }
            let Some(job) = job else { continue };
            lock(&self.history).accepted.insert(job, index);
            let choice = self.site.world.rng().u8(0..10);
            if index > 0 && choice < 4 {
                let limit_ms = self.site.world.rng().choice([100, 1_000, 10_000]).unwrap();
                self.pause(limit_ms).await;
                self.cancel_or_delete(job, choice == 0).await;
            }
        }
    }

    /// Polls the status of every accepted job; no response may go backwards.
    pub(crate) async fn watch(&self, status: &Router) {
        let mut seen = BTreeMap::new();
        loop {
            self.pause(3_000).await;
            let jobs: Vec<i64> = lock(&self.history).accepted.keys().copied().collect();
            for job in jobs {
                if seen.get(&job).is_some_and(|seen: &Snapshot| seen.rank == 2) && self.site.world.rng().u8(0..8) > 0 {
                    continue;
                }
                let response = self.request(status, Method::GET, &format!("/bulk/v1/files/{job}"), None).await;
                let Some((200, body)) = response else { continue };
                let now = Snapshot::parse(&body);
                if let Some(fault) = now.find_fault(seen.get(&job)) {
                    self.site.world.report_violation(&format!(
                        "the status of job {job} {fault}: {now:?} after {:?}",
                        seen.get(&job)
                    ));
                }
                seen.insert(job, now);
            }
        }
    }

    /// Sleeps for a random time of up to `limit_ms`.
    async fn pause(&self, limit_ms: u64) {
        let time = self.site.world.rng().u64(1..=limit_ms);
        sleep(Duration::from_millis(time)).await;
    }

    /// Uploads a file and returns its job, or `None` if there was no response or a server error.
    async fn upload(&self, file: &File) -> Option<i64> {
        let routes = self.ingest()?;
        let path = if file.is_collaborator { "/api/v2/users-import/csv" } else { "/bulk/v1/files" };
        let (status, body) = self.request(&routes, Method::POST, path, Some(file)).await?;
        if status != 202 {
            if status < 500 {
                self.site.world.report_violation(&format!("a valid upload is refused with {status}: {body}"));
            }
            return None;
        }
        let job = body["status_url"].as_str().and_then(|url| url.rsplit('/').next()).unwrap().parse().unwrap();
        self.record(Event::for_job("upload", job), "ACCEPTED");
        Some(job)
    }

    async fn cancel_or_delete(&self, job: i64, delete: bool) {
        let Some(routes) = self.ingest() else { return };
        // The request is recorded first, because its effect may stay unknown.
        if delete {
            lock(&self.history).deleted.insert(job);
            let response = self.request(&routes, Method::DELETE, &format!("/bulk/v1/files/{job}"), None).await;
            self.record(
                Event::for_job("delete", job),
                if response.is_some_and(|(code, _)| code == 200) { "DONE" } else { "" },
            );
        } else {
            lock(&self.history).canceled.insert(job);
            let response = self.request(&routes, Method::POST, &format!("/bulk/v1/files/{job}/cancel"), None).await;
            self.record(
                Event::for_job("cancel", job),
                if response.is_some_and(|(code, _)| code == 200) { "DONE" } else { "" },
            );
        }
    }

    /// The routes of a random running ingest process.
    fn ingest(&self) -> Option<Router> {
        let lives = self.site.lives(Some(Role::Ingest));
        let life = self.site.world.rng().choice(lives)?;
        life.routes
    }

    /// Returns the status code and the body of the response, or `None` after the timeout.
    async fn request(&self, routes: &Router, method: Method, path: &str, file: Option<&File>) -> Option<(u16, Value)> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {}", self.token));
        let mut body = Body::empty();
        if let Some(file) = file {
            let preference = match file {
                File { is_collaborator: true, .. } => "respond-async",
                File { lenient: true, .. } => "handling=lenient",
                File { lenient: false, .. } => "handling=strict",
            };
            request = request.header("content-type", "text/csv").header("prefer", preference);
            body = Body::from(file.text.clone());
        }
        let response =
            timeout(RESPONSE_TIMEOUT, routes.clone().oneshot(request.body(body).unwrap())).await.ok()?.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    fn record(&self, event: Event, result: &'static str) {
        let world: &World = &self.site.world;
        world.record(&self.token, event, result);
    }
}

/// One status response.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    /// 0 if pending, 1 if processing, 2 if final.
    rank: u8,
    status: String,
    processed: u64,
    total: u64,
    outcomes: [u64; 4],
    percent: f64,
}

impl Snapshot {
    fn parse(body: &Value) -> Self {
        let number = |name: &str| body[name].as_u64().unwrap();
        let status = body["status"].as_str().unwrap().to_owned();
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
            percent: body["percent"].as_f64().unwrap_or_default(),
        }
    }

    /// Describes what is wrong with this response, given the previous one.
    fn find_fault(&self, before: Option<&Self>) -> Option<&'static str> {
        if self.outcomes.iter().sum::<u64>() != self.processed || self.processed > self.total {
            return Some("does not add up");
        }
        let before = before?;
        let went_backwards = self.rank < before.rank
            || self.processed < before.processed
            || self.percent < before.percent
            || self.outcomes.iter().zip(before.outcomes).any(|(now, before)| *now < before);
        if went_backwards {
            return Some("went backwards");
        }
        (before.rank == 2 && self != before).then_some("changed after its end")
    }
}
