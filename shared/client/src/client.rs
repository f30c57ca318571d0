//! The HTTP client: the few calls that the demonstration, the health check and the benchmark make.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio_util::io::ReaderStream;

/// Read size for uploaded files. Sending a chunk costs about the same whatever its size.
const READ_CHUNK_BYTES: usize = 256 * 1024;

/// The status of a job, from the Spigit API.
#[expect(missing_docs, reason = "the fields are named as in the reply")]
#[derive(Clone, Debug)]
pub struct JobStatus {
    pub state: String,
    pub total: u64,
    pub processed: u64,
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub failed: u64,
    pub error_message: String,
}

impl JobStatus {
    /// Whether the job has ended and its counts no longer change.
    pub fn is_final(&self) -> bool {
        !matches!(self.state.as_str(), "PENDING" | "PROCESSING")
    }
}

/// The counts of users in a reply of the Collaborator API.
#[expect(missing_docs, reason = "the fields are named as in the reply")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserCounts {
    pub created: u64,
    pub updated: u64,
    pub blocked: u64,
    pub unblocked: u64,
}

/// A client of one service, with the token of one tenant.
pub struct Client {
    http: reqwest::Client,
    base_url: String,
}

impl Client {
    /// Creates a client of the service at `base_url`, such as `http://127.0.0.1:8080`.
    pub fn new(base_url: String, token: &str) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        let http = builder()
            .default_headers(headers)
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_mins(1))
            .build()?;
        Ok(Self { http, base_url })
    }

    /// Uploads a CSV file to the Spigit API and returns the URL of the job's status.
    pub async fn upload(&self, file: &Path) -> anyhow::Result<String> {
        let chunks = ReaderStream::with_capacity(tokio::fs::File::open(file).await?, READ_CHUNK_BYTES);
        let body = reqwest::Body::wrap_stream(chunks);
        let request =
            self.http.post(format!("{}/bulk/v1/files", self.base_url)).header(CONTENT_TYPE, "text/csv").body(body);
        let reply = read_json(request.send().await?, StatusCode::ACCEPTED).await?;
        Ok(reply["status_url"].as_str().context("the reply has no status_url")?.to_owned())
    }

    /// Returns the status of a job. `url` is what [`Client::upload`] returned.
    pub async fn status(&self, url: &str) -> anyhow::Result<JobStatus> {
        let reply = read_json(self.http.get(url).send().await?, StatusCode::OK).await?;
        let number = |key: &str| reply[key].as_u64().with_context(|| format!("the status has no {key}"));
        let text =
            |key: &str| reply[key].as_str().map(str::to_owned).with_context(|| format!("the status has no {key}"));
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

    /// Imports a CSV file through the Collaborator API, which replies once the import is complete.
    pub async fn import_users(&self, file: Vec<u8>) -> anyhow::Result<UserCounts> {
        let request = self.http.post(format!("{}/api/v2/users-import/csv", self.base_url));
        let request = request.header(CONTENT_TYPE, "text/csv").body(file).timeout(Duration::from_hours(1));
        let reply = read_json(request.send().await?, StatusCode::OK).await?;
        let number = |key: &str| reply[key].as_u64().with_context(|| format!("the reply has no {key}"));
        Ok(UserCounts {
            created: number("created_count")?,
            updated: number("updated_count")?,
            blocked: number("blocked_count")?,
            unblocked: number("unblocked_count")?,
        })
    }

    /// Whether the service reports that it is ready. A service that cannot be reached is not.
    pub async fn is_ready(&self) -> bool {
        let response = self.http.get(format!("{}/readyz", self.base_url)).send().await;
        response.is_ok_and(|response| response.status() == StatusCode::OK)
    }

    /// Returns a user as JSON.
    pub async fn user(&self, username: &str) -> anyhow::Result<Value> {
        let response = self.http.get(format!("{}/bulk/v1/users/{username}", self.base_url)).send().await?;
        read_json(response, StatusCode::OK).await
    }
}

async fn read_json(response: Response, expected: StatusCode) -> anyhow::Result<Value> {
    let status = response.status();
    let text = response.text().await?;
    if status != expected {
        bail!("expected {expected}, the server responded with {status}: {text}");
    }
    Ok(serde_json::from_str(&text)?)
}

/// Starts to build an HTTP client, which needs a TLS provider for the whole process.
fn builder() -> reqwest::ClientBuilder {
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

/// Checks that the service at `base_url` is ready. The error contains the reason that the service reports.
pub async fn check_ready(base_url: &str, timeout: Duration) -> anyhow::Result<()> {
    let url = format!("{base_url}/readyz");
    let http = builder().timeout(timeout).build()?;
    let exchange = async {
        let response = http.get(&url).send().await?;
        Ok::<_, reqwest::Error>((response.status(), response.text().await?))
    };
    let expected = || format!("expected {url} to respond with 200 within {} s", timeout.as_secs());
    let (status, text) = exchange.await.map_err(reqwest::Error::without_url).with_context(expected)?;
    if !status.is_success() {
        bail!("{}, found {}: {}", expected(), status.as_u16(), text.lines().next().unwrap_or_default());
    }
    Ok(())
}
