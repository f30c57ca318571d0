//! Deletion of files, by clients and by the sweep of abandoned uploads.

use muster_testkit::{Backend, Site, SiteOptions, wait_until};

use crate::MUSTER;
use crate::flow::expected::{Status, created};
use crate::flow::{test_on_both_backends, users};

test_on_both_backends!(deleting_a_finished_file_keeps_its_users, unknown_ids_are_not_found);

async fn deleting_a_finished_file_keeps_its_users(site: Site) {
    let path = site.client.upload(users(["a"]) + "broken\n").await;
    site.client.wait_until_final(&path).await;
    assert_eq!(site.count_stored_uploads(), 1);

    let response = site.client.delete(&path).await;
    assert_eq!((response.status, response.json()["message"].as_str()), (200, Some("File deleted.")));
    assert_eq!(site.count_stored_uploads(), 0);
    assert_eq!(site.client.get(&path).await.status, 404);
    assert_eq!(site.client.get(&format!("{path}/errors")).await.status, 404);
    assert_eq!(site.client.delete(&path).await.status, 404);
    assert_eq!(site.client.user("a").await["username"], "a");
    if let Some(servers) = &site.servers {
        wait_until("the ledger and the rejections are removed", || async {
            let left = servers.number("select (select count(*) from ledger) + (select count(*) from rejections)").await;
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
    }
}

async fn unknown_ids_are_not_found(site: Site) {
    for id in ["99", "abc", "-1", "0x9", "9.0", "09", "%D9%A9", "999999999999999999999999999999", "9%2F"] {
        for response in [
            site.client.get(&format!("/bulk/v1/files/{id}")).await,
            site.client.delete(&format!("/bulk/v1/files/{id}")).await,
        ] {
            assert_eq!((response.status, response.json()["message"].as_str()), (404, Some("File not found.")), "{id}");
        }
    }
}

/// A crash between an upload and its job row leaves a stored upload without a job. It is removed after a day.
#[tokio::test(flavor = "multi_thread")]
async fn only_uploads_that_are_old_and_have_no_job_are_swept() {
    for backend in [Backend::Embedded, Backend::Distributed] {
        let mut site = Site::start(MUSTER, backend, SiteOptions::default()).await;
        let path = site.client.upload(users(["a"])).await;
        site.client.wait_until_final(&path).await;
        site.ingest.as_mut().unwrap().terminate().await;
        let day_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(24);
        for stored in site.stored_files() {
            std::fs::File::options().write(true).open(stored).unwrap().set_modified(day_ago).unwrap();
        }
        let folder = site.stored_files()[0].parent().unwrap().to_owned();
        std::fs::write(folder.join("young"), "x").unwrap();
        std::fs::write(folder.join("old"), "x").unwrap();
        std::fs::File::options().write(true).open(folder.join("old")).unwrap().set_modified(day_ago).unwrap();
        site.start_ingest().await;
        wait_until("the old upload without a job is removed", || {
            let remaining = site.stored_files();
            std::future::ready(if remaining.len() == 2 { Ok(()) } else { Err(remaining) })
        })
        .await;
        assert!(folder.join("young").exists());
        assert_eq!(site.client.get(&path).await.status, 200);
    }
}

/// Without workers no job advances: the first stays PROCESSING, the others stay PENDING.
#[tokio::test(flavor = "multi_thread")]
async fn a_pending_file_can_be_deleted_and_a_running_one_cannot() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let first = site.client.upload(users(["a"])).await;
    let second = site.client.upload(users(["b"])).await;
    let third = site.client.upload(users(["c"])).await;
    wait_until("the first job is running", || async {
        let status = site.client.get(&first).await.json()["status"].clone();
        if status == "PROCESSING" { Ok(()) } else { Err(status) }
    })
    .await;
    let response = site.client.delete(&first).await;
    assert_eq!(response.status, 409);
    assert_eq!(response.json()["message"], "File is being processed and cannot be deleted.");
    assert_eq!(site.client.get(&second).await.json()["status"], "PENDING");
    assert_eq!(site.client.delete(&second).await.status, 200);
    assert_eq!(site.count_stored_uploads(), 2);

    site.start_worker().await;
    assert_eq!(site.client.wait_until_final(&first).await.counts(), created(1));
    assert_eq!(site.client.wait_until_final(&third).await.counts(), created(1));
    assert_eq!(site.client.user("b").await, serde_json::Value::Null);
}
