//! An HTTP client for tests: it sends any request and exposes the whole response.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::wait::wait_until;

/// Longer than every deadline of the services.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(2);

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Response {
    /// The body as JSON. Null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// A client of the ingest and the status service, with a token.
#[derive(Clone, Debug)]
pub struct Client {
    /// The base URL of the ingest service.
    pub ingest: String,
    /// The base URL of the status service.
    pub status: String,
    /// The bearer token, if one is sent.
    pub token: Option<String>,
    http: reqwest::Client,
}

/// Creates an HTTP client without a token. It needs a TLS provider for the whole process.
pub fn http_client() -> reqwest::Client {
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Client {
    /// Creates a client of one site.
    pub fn new(ingest: String, status: String, token: Option<String>) -> Self {
        Self { ingest, status, token, http: http_client() }
    }

    /// Returns the same client with another token.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Sends a request: GET to the status service, other methods to ingest, as the gateway does.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// Like [`Client::send`], for a service that may be unreachable or end during the request.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> reqwest::Result<Response> {
        let base = if method == Method::GET { &self.status } else { &self.ingest };
        let mut request = self.http.request(method, format!("{base}{path}")).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request =
                request.header(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let response = request.timeout(RESPONSE_TIMEOUT).send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Response { status, headers, text: response.text().await? })
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// Sends a GET request. `None` if the service cannot be reached.
    pub async fn try_get(&self, path: &str) -> Option<Response> {
        self.try_send(Method::GET, path, &[], Vec::new()).await.ok()
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// Uploads a body with these headers.
    pub async fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Response {
        self.send(Method::POST, "/bulk/v1/files", headers, body.into()).await
    }

    /// Uploads a CSV file and returns the path of its status.
    pub async fn upload(&self, csv: impl Into<Vec<u8>>) -> String {
        self.upload_with(&[], csv).await
    }

    /// Uploads a CSV file with additional headers and returns the path of its status.
    pub async fn upload_with(&self, headers: &[(&str, &str)], csv: impl Into<Vec<u8>>) -> String {
        let names_type = headers.iter().any(|(name, _)| *name == "content-type");
        let default: &[(&str, &str)] = if names_type { &[] } else { &[("content-type", "text/csv")] };
        let response = self.post(&[default, headers].concat(), csv).await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text);
        let body = response.json();
        assert_eq!(body["status"], "Status: Success");
        let url = body["status_url"].as_str().unwrap();
        format!("/bulk/v1/files/{}", url.rsplit_once("/bulk/v1/files/").unwrap().1)
    }

    /// Waits until the job is final and returns its status.
    pub async fn wait_until_final(&self, path: &str) -> Value {
        wait_until("the job is final", || async {
            let response = self.try_get(path).await.map(|response| response.json()).unwrap_or_default();
            if matches!(response["status"].as_str(), Some("SUCCESS" | "FAILED" | "CANCELED")) {
                Ok(response)
            } else {
                Err(response)
            }
        })
        .await
    }

    /// Uploads a CSV file, waits until the job is final and returns its status.
    pub async fn import(&self, csv: impl Into<Vec<u8>>) -> Value {
        let path = self.upload(csv).await;
        self.wait_until_final(&path).await
    }

    /// Returns a user. Null if it does not exist.
    pub async fn user(&self, username: &str) -> Value {
        let response = self.get(&format!("/bulk/v1/users/{username}")).await;
        if response.status == StatusCode::NOT_FOUND { Value::Null } else { response.json() }
    }
}
