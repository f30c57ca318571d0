//! Uploads that are sent again under one `Idempotency-Key`.

use muster_testkit::{Answer, Backend, Client, Site, SiteOptions};

use super::{counts, on_both, users};
use crate::MUSTER;

on_both!(
    an_upload_that_is_sent_again_is_one_job,
    a_key_belongs_to_one_file_of_one_tenant,
    a_key_is_free_when_its_file_is_deleted,
    unusable_keys_are_refused,
);

async fn upload(client: &Client, key: &str, csv: &str) -> Answer {
    client.post(&[("content-type", "text/csv"), ("idempotency-key", key)], csv).await
}

/// The status of the upload's job, and its path.
fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let url = answer.json()["status_url"].as_str().unwrap().to_owned();
    url[url.find("/bulk").unwrap()..].to_owned()
}

async fn files(client: &Client) -> usize {
    client.get("/bulk/v1/files").await.json()["files"].as_array().unwrap().len()
}

async fn an_upload_that_is_sent_again_is_one_job(site: Site) {
    let file = users(["a", "b"]);
    let first = upload(&site.client, "k-1", &file).await;
    let path = accepted(&first);
    let running = upload(&site.client, "k-1", &file).await;
    site.client.finished(&path).await;
    let done = upload(&site.client, "k-1", &file).await;
    for again in [running, done] {
        assert_eq!((again.status, &again.text), (202, &first.text));
    }
    // The same file in an envelope is the same file.
    let body = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{file}\r\n--b--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("idempotency-key", "k-1")];
    assert_eq!(site.client.post(&headers, body).await.text, first.text);
    assert_eq!((files(&site.client).await, site.stored_uploads()), (1, 1));
    assert_eq!(counts(&site.client.get(&path).await.json()), [2, 2, 0, 0, 0]);
}

async fn a_key_belongs_to_one_file_of_one_tenant(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let first = accepted(&upload(&site.client, "k", &users(["a"])).await);
    let reused = upload(&site.client, "k", &users(["b"])).await;
    assert_eq!((reused.status, reused.json()["code"].as_str()), (422, Some("idempotency_key_reused")));
    let sentence = "Status: Failed. This Idempotency-Key was sent with another file; use a new key for each file.";
    assert_eq!(reused.json()["status"], sentence);
    let headers = [("content-type", "text/csv"), ("idempotency-key", "k"), ("prefer", "handling=lenient")];
    assert_eq!(site.client.post(&headers, users(["a"])).await.status, 422, "read in another way");
    assert_eq!(site.stored_uploads(), 1, "what is refused is not kept");

    let foreign = accepted(&upload(&other, "k", &users(["b"])).await);
    assert_ne!(foreign, first);
    assert_eq!(counts(&other.finished(&foreign).await), [1, 1, 0, 0, 0]);
    assert_eq!((files(&site.client).await, files(&other).await), (1, 1));
}

async fn a_key_is_free_when_its_file_is_deleted(site: Site) {
    let first = accepted(&upload(&site.client, "k", &users(["a"])).await);
    site.client.finished(&first).await;
    assert_eq!(site.client.delete(&first).await.status, 200);
    let second = accepted(&upload(&site.client, "k", &users(["b"])).await);
    assert_ne!(first, second);
    assert_eq!(counts(&site.client.finished(&second).await), [1, 1, 0, 0, 0]);
}

async fn unusable_keys_are_refused(site: Site) {
    let long = "k".repeat(256);
    for key in ["", " ", "a b", "a\tb", "é", &long] {
        let answer = upload(&site.client, key, &users(["a"])).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("idempotency_key_invalid")), "{key:?}");
        let sentence = "Status: Failed. Idempotency-Key must be 1 to 255 printable ASCII characters without blanks.";
        assert_eq!(answer.json()["status"], sentence);
    }
    let twice = [("content-type", "text/csv"), ("idempotency-key", "a"), ("idempotency-key", "a")];
    let answer = site.client.post(&twice, users(["a"])).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("header_repeated")));
    assert_eq!((files(&site.client).await, site.stored_uploads()), (0, 0));
}

async fn fifty_at_once(backend: Backend) {
    let variables = vec![("MUSTER_MAX_UPLOADS_PER_TENANT".to_owned(), "64".to_owned())];
    let site = Site::start(MUSTER, backend, SiteOptions { variables, ..SiteOptions::default() }).await;
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = site.client.clone();
        uploads.spawn(async move { upload(&client, "k", &users(["a", "b"])).await });
    }
    let answers = uploads.join_all().await;
    let path = accepted(&answers[0]);
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (202, &answers[0].text));
    }
    assert_eq!(counts(&site.client.finished(&path).await), [2, 2, 0, 0, 0]);
    assert_eq!((files(&site.client).await, site.stored_uploads()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_one_job_embedded() {
    fifty_at_once(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_are_one_job_distributed() {
    fifty_at_once(Backend::Distributed).await;
}
