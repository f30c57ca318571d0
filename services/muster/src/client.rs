//! A client of the API, as small as the demonstration and the benchmark need.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio_util::io::ReaderStream;

/// Bytes of a file that are read at a time: a small piece costs as much as a big one.
const PIECE: usize = 256 * 1024;

/// What a status answers.
pub(crate) struct JobStatus {
    pub(crate) state: String,
    pub(crate) total: u64,
    pub(crate) processed: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) failed: u64,
    pub(crate) error_message: String,
}

impl JobStatus {
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self.state.as_str(), "PENDING" | "PROCESSING")
    }
}

pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
}

impl Client {
    pub(crate) fn new(address: String, token: &str) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_mins(1))
            .no_proxy()
            .build()?;
        Ok(Self { http, address })
    }

    /// Uploads a file and gives the address of its status.
    pub(crate) async fn upload(&self, file: &Path) -> anyhow::Result<String> {
        let pieces = ReaderStream::with_capacity(tokio::fs::File::open(file).await?, PIECE);
        let body = reqwest::Body::wrap_stream(pieces);
        let request =
            self.http.post(format!("{}/bulk/v1/files", self.address)).header(CONTENT_TYPE, "text/csv").body(body);
        let answer = json(request.send().await?, StatusCode::ACCEPTED).await?;
        Ok(answer["status_url"].as_str().context("the answer has no status_url")?.to_owned())
    }

    pub(crate) async fn status(&self, url: &str) -> anyhow::Result<JobStatus> {
        let answer = json(self.http.get(url).send().await?, StatusCode::OK).await?;
        let number = |key: &str| answer[key].as_u64().with_context(|| format!("the status has no {key}"));
        let text =
            |key: &str| answer[key].as_str().map(str::to_owned).with_context(|| format!("the status has no {key}"));
        Ok(JobStatus {
            state: text("status")?,
            total: number("total_users")?,
            processed: number("processed_users")?,
            created: number("created_users")?,
            updated: number("updated_users")?,
            unchanged: number("unchanged_users")?,
            failed: number("failed_users")?,
            error_message: text("error_message")?,
        })
    }

    /// Sends a file to the Collaborator API and waits for its four counts: created, updated, blocked, unblocked.
    pub(crate) async fn import_users(&self, file: Vec<u8>) -> anyhow::Result<[u64; 4]> {
        let request = self.http.post(format!("{}/api/v2/users-import/csv", self.address));
        let request = request.header(CONTENT_TYPE, "text/csv").body(file).timeout(Duration::from_hours(1));
        let answer = json(request.send().await?, StatusCode::OK).await?;
        let number = |key: &str| answer[key].as_u64().with_context(|| format!("the answer has no {key}"));
        Ok([number("created_count")?, number("updated_count")?, number("blocked_count")?, number("unblocked_count")?])
    }

    /// Whether the service says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let asked = self.http.get(format!("{}/readyz", self.address)).send().await;
        asked.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    pub(crate) async fn user(&self, username: &str) -> anyhow::Result<Value> {
        let answer = self.http.get(format!("{}/bulk/v1/users/{username}", self.address)).send().await?;
        json(answer, StatusCode::OK).await
    }
}

async fn json(answer: Response, expected: StatusCode) -> anyhow::Result<Value> {
    let status = answer.status();
    let text = answer.text().await?;
    if status != expected {
        bail!("expected {expected}, the server answered {status}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}
