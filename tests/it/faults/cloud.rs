//! An object store that completes an upload and loses the response, simulated by a small S3 server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_testkit::{Proxy, SiteOptions};

use super::{File, Trial, start_site, verbose_options};

/// The state of the simulated S3 server.
#[derive(Default)]
struct Bucket {
    objects: HashMap<String, Vec<u8>>,
    uploads: HashMap<String, Vec<(usize, Bytes)>>,
    completions: u32,
}

type SharedBucket = Arc<Mutex<Bucket>>;

/// Handles the calls that Muster makes as S3 does: a completed upload id is no longer known.
async fn handle(
    State(bucket): State<SharedBucket>,
    Query(query): Query<HashMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut bucket = bucket.lock().unwrap();
    let key = head.uri.path().to_owned();
    let upload = query.get("uploadId").cloned();
    match (head.method.as_str(), upload) {
        ("POST", None) => {
            let id = format!("upload{}", bucket.uploads.len());
            bucket.uploads.insert(id.clone(), Vec::new());
            let (open, close) = ("<InitiateMultipartUploadResult>", "</InitiateMultipartUploadResult>");
            format!("{open}<Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId>{close}").into_response()
        }
        ("PUT", Some(id)) => {
            let number = query["partNumber"].parse().unwrap();
            bucket.uploads.get_mut(&id).unwrap().push((number, body));
            [(header::ETAG, format!("\"{number}\""))].into_response()
        }
        ("POST", Some(id)) => {
            bucket.completions += 1;
            let Some(mut parts) = bucket.uploads.remove(&id) else {
                let error = "<Error><Code>NoSuchUpload</Code><Message>unknown</Message></Error>";
                return (StatusCode::NOT_FOUND, error).into_response();
            };
            parts.sort_by_key(|(number, _)| *number);
            bucket.objects.insert(key, parts.into_iter().flat_map(|(_, part)| part).collect());
            let (open, close) = ("<CompleteMultipartUploadResult>", "</CompleteMultipartUploadResult>");
            format!("{open}<Location>l</Location><Bucket>b</Bucket><Key>k</Key><ETag>e</ETag>{close}").into_response()
        }
        ("HEAD" | "GET", _) if !query.contains_key("list-type") => read_object(bucket.objects.get(&key), &head.headers),
        ("GET", _) => "<ListBucketResult></ListBucketResult>".into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

fn read_object(object: Option<&Vec<u8>>, headers: &HeaderMap) -> Response {
    let Some(object) = object else { return StatusCode::NOT_FOUND.into_response() };
    let known = [(header::ETAG, "\"e\""), (header::LAST_MODIFIED, "Tue, 20 Jan 2026 08:00:00 GMT")];
    let Some(range) = headers.get(header::RANGE) else { return (known, object.clone()).into_response() };
    let (first, last) = range.to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let part = object[first..=last].to_vec();
    let content_range = [(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", object.len()))];
    (StatusCode::PARTIAL_CONTENT, known, content_range, part).into_response()
}

mod quick {
    use super::*;

    /// F16: ingest does not know whether the upload was completed. It looks up the key and finds the
    /// whole object.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_completion_whose_response_is_lost_is_looked_up() {
        let bucket = SharedBucket::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let s3 = axum::serve(listener, Router::new().fallback(handle).with_state(bucket.clone()));
        #[expect(clippy::disallowed_methods, reason = "aborted below")]
        let s3 = tokio::spawn(s3.into_future());
        let proxy = Proxy::start(&url).await;
        let variables = [
            ("MUSTER_RAW_STORE", "s3://bucket/uploads".to_owned()),
            ("AWS_ENDPOINT", proxy.url(&url).trim_end_matches('/').to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "eu-north-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ];
        let ingest_variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let trial = Trial::new(start_site(SiteOptions { ingest_variables, ..verbose_options(1) }).await);
        proxy.reset_after(b"<CompleteMultipartUpload");
        let status = trial.site.client.import(File::new_users(0, 5_000).csv()).await;
        assert_eq!(status["created_users"], 5_000);
        assert!(!proxy.is_armed());
        let (completions, objects) = {
            let bucket = bucket.lock().unwrap();
            (bucket.completions, bucket.objects.len())
        };
        assert!(completions >= 2, "the completion was requested again");
        assert_eq!(objects, 1);
        s3.abort();
    }
}
