//! A client as tests want one: it sends what it is told and shows what came back.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::wait::wait_until;

/// How long any answer may take: longer than every deadline of the services.
const ANSWER_DEADLINE: Duration = Duration::from_mins(2);

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// A client with a token.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where uploads go.
    pub ingest: String,
    /// Where questions go.
    pub status: String,
    /// Sent as the bearer token, if there is one.
    pub token: Option<String>,
    http: reqwest::Client,
}

impl Client {
    /// A client of one site.
    pub fn new(ingest: String, status: String, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { ingest, status, token, http }
    }

    /// The same client with another token.
    #[must_use]
    pub fn with_token(&self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self.clone() }
    }

    /// Sends a request; the gateway's choice by method is made here.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// The same, to a service that may be away or go away.
    pub async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> reqwest::Result<Answer> {
        let base = if method == Method::GET { &self.status } else { &self.ingest };
        let mut request = self.http.request(method, format!("{base}{path}")).body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request =
                request.header(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let answer = request.timeout(ANSWER_DEADLINE).send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, text: answer.text().await? })
    }

    /// A GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// A GET of a service that may be away just now.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(Method::GET, path, &[], Vec::new()).await.ok()
    }

    /// A DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// An upload with these headers.
    pub async fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, "/bulk/v1/files", headers, body.into()).await
    }

    /// Uploads a CSV file and gives the path of its status.
    pub async fn upload(&self, csv: impl Into<Vec<u8>>) -> String {
        self.upload_with(&[], csv).await
    }

    /// Uploads a CSV file with more headers and gives the path of its status.
    pub async fn upload_with(&self, headers: &[(&str, &str)], csv: impl Into<Vec<u8>>) -> String {
        let headers = [&[("content-type", "text/csv")], headers].concat();
        let answer = self.post(&headers, csv).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        let body = answer.json();
        assert_eq!(body["status"], "Status: Success");
        let url = body["status_url"].as_str().unwrap();
        format!("/bulk/v1/files/{}", url.rsplit_once("/bulk/v1/files/").unwrap().1)
    }

    /// Waits for the final status.
    pub async fn finished(&self, path: &str) -> Value {
        wait_until("the job is final", || async {
            let answer = self.try_get(path).await.map(|answer| answer.json()).unwrap_or_default();
            if matches!(answer["status"].as_str(), Some("SUCCESS" | "FAILED" | "CANCELED")) {
                Ok(answer)
            } else {
                Err(answer)
            }
        })
        .await
    }

    /// Uploads a CSV file and waits for its final status.
    pub async fn import(&self, csv: impl Into<Vec<u8>>) -> Value {
        let path = self.upload(csv).await;
        self.finished(&path).await
    }

    /// A user; null if there is none.
    pub async fn user(&self, username: &str) -> Value {
        let answer = self.get(&format!("/bulk/v1/users/{username}")).await;
        if answer.status == StatusCode::NOT_FOUND { Value::Null } else { answer.json() }
    }
}
