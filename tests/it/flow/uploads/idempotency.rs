//! Repeated uploads with the same `Idempotency-Key`.

use muster_testkit::{Backend, Client, Response, Site, SiteOptions};

use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(
    a_repeated_upload_returns_the_first_response_and_creates_no_job,
    a_key_belongs_to_one_file_of_one_tenant,
    a_key_can_be_reused_after_its_file_is_deleted,
    invalid_keys_are_refused,
);

async fn upload(client: &Client, key: &str, csv: &str) -> Response {
    client.post(&[("content-type", "text/csv"), ("idempotency-key", key)], csv).await
}

/// Checks that an upload was accepted, and returns the path of its status.
fn accepted_path(response: &Response) -> String {
    assert_eq!(response.status, 202, "{}", response.text);
    let url = response.json()["status_url"].as_str().unwrap().to_owned();
    url[url.find("/bulk").unwrap()..].to_owned()
}

async fn count_files(client: &Client) -> usize {
    client.get("/bulk/v1/files").await.json()["files"].as_array().unwrap().len()
}

async fn a_repeated_upload_returns_the_first_response_and_creates_no_job(site: Site) {
    let file = users(["a", "b"]);
    let first = upload(&site.client, "k-1", &file).await;
    let path = accepted_path(&first);
    let while_running = upload(&site.client, "k-1", &file).await;
    site.client.wait_until_final(&path).await;
    let when_finished = upload(&site.client, "k-1", &file).await;
    for repeated in [while_running, when_finished] {
        assert_eq!((repeated.status, &repeated.text), (202, &first.text));
    }
    // The file is the same whether it is sent as multipart or not.
    let body = format!("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n{file}\r\n--b--\r\n");
    let headers = [("content-type", "multipart/form-data; boundary=b"), ("idempotency-key", "k-1")];
    assert_eq!(site.client.post(&headers, body).await.text, first.text);
    assert_eq!((count_files(&site.client).await, site.count_stored_uploads()), (1, 1));
    assert_eq!(site.client.get(&path).await.json().counts(), created(2));
}

async fn a_key_belongs_to_one_file_of_one_tenant(mut site: Site) {
    let other = site.tenant("other", &[]).await;
    let first = accepted_path(&upload(&site.client, "k", &users(["a"])).await);
    let reused = upload(&site.client, "k", &users(["b"])).await;
    assert_eq!((reused.status, reused.json()["code"].as_str()), (422, Some("idempotency_key_reused")));
    let sentence = "Status: Failed. This Idempotency-Key was sent with another file; use a new key for each file.";
    assert_eq!(reused.json()["status"], sentence);
    let headers = [("content-type", "text/csv"), ("idempotency-key", "k"), ("prefer", "handling=lenient")];
    assert_eq!(site.client.post(&headers, users(["a"])).await.status, 422, "the same file with other handling");
    assert_eq!(site.count_stored_uploads(), 1, "a refused upload is not stored");

    let foreign = accepted_path(&upload(&other, "k", &users(["b"])).await);
    assert_ne!(foreign, first);
    assert_eq!(other.wait_until_final(&foreign).await.counts(), created(1));
    assert_eq!((count_files(&site.client).await, count_files(&other).await), (1, 1));
}

async fn a_key_can_be_reused_after_its_file_is_deleted(site: Site) {
    let first = accepted_path(&upload(&site.client, "k", &users(["a"])).await);
    site.client.wait_until_final(&first).await;
    assert_eq!(site.client.delete(&first).await.status, 200);
    let second = accepted_path(&upload(&site.client, "k", &users(["b"])).await);
    assert_ne!(first, second);
    assert_eq!(site.client.wait_until_final(&second).await.counts(), created(1));
}

async fn invalid_keys_are_refused(site: Site) {
    let too_long = "k".repeat(256);
    for key in ["", " ", "a b", "a\tb", "é", &too_long] {
        let response = upload(&site.client, key, &users(["a"])).await;
        assert_eq!(
            (response.status, response.json()["code"].as_str()),
            (400, Some("idempotency_key_invalid")),
            "{key:?}"
        );
        let sentence = "Status: Failed. Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.";
        assert_eq!(response.json()["status"], sentence);
    }
    let twice = [("content-type", "text/csv"), ("idempotency-key", "a"), ("idempotency-key", "a")];
    let response = site.client.post(&twice, users(["a"])).await;
    assert_eq!((response.status, response.json()["code"].as_str()), (400, Some("header_repeated")));
    assert_eq!((count_files(&site.client).await, site.count_stored_uploads()), (0, 0));
}

async fn fifty_concurrent_uploads_with_one_key(backend: Backend) {
    let variables = vec![("MUSTER_MAX_UPLOADS_PER_TENANT".to_owned(), "64".to_owned())];
    let site = Site::start(MUSTER, backend, SiteOptions { variables, ..SiteOptions::default() }).await;
    let mut uploads = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let client = site.client.clone();
        uploads.spawn(async move { upload(&client, "k", &users(["a", "b"])).await });
    }
    let responses = uploads.join_all().await;
    let path = accepted_path(&responses[0]);
    for response in &responses {
        assert_eq!((response.status, &response.text), (202, &responses[0].text));
    }
    assert_eq!(site.client.wait_until_final(&path).await.counts(), created(2));
    assert_eq!((count_files(&site.client).await, site.count_stored_uploads()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_uploads_with_one_key_create_one_job_embedded() {
    fifty_concurrent_uploads_with_one_key(Backend::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_uploads_with_one_key_create_one_job_distributed() {
    fifty_concurrent_uploads_with_one_key(Backend::Distributed).await;
}
