//! Deleting files.

use muster_testkit::{Backend, Site, SiteOptions};

use super::{counts, on_both, users};
use crate::MUSTER;

on_both!(a_finished_file_is_deleted_and_its_users_stay, unknown_ids_are_not_found);

async fn a_finished_file_is_deleted_and_its_users_stay(site: Site) {
    let path = site.client.upload(users(["a"]) + "broken\n").await;
    site.client.finished(&path).await;
    assert_eq!(site.stored_uploads(), 1);

    let answer = site.client.delete(&path).await;
    assert_eq!((answer.status, answer.json()["message"].as_str()), (200, Some("File deleted.")));
    assert_eq!(site.stored_uploads(), 0);
    assert_eq!(site.client.get(&path).await.status, 404);
    assert_eq!(site.client.get(&format!("{path}/errors")).await.status, 404);
    assert_eq!(site.client.delete(&path).await.status, 404);
    assert_eq!(site.client.user("a").await["username"], "a");
    if let Some(servers) = &site.servers {
        assert_eq!(servers.number("select count(*) from ledger").await, 0);
        assert_eq!(servers.number("select count(*) from rejections").await, 0);
    }
}

async fn unknown_ids_are_not_found(site: Site) {
    for id in ["99", "abc", "-1", "0x9", "9.0", "09", "%D9%A9", "999999999999999999999999999999", "9%2F"] {
        for answer in [
            site.client.get(&format!("/bulk/v1/files/{id}")).await,
            site.client.delete(&format!("/bulk/v1/files/{id}")).await,
        ] {
            assert_eq!((answer.status, answer.json()["message"].as_str()), (404, Some("File not found.")), "{id}");
        }
    }
}

/// What a crash between the upload and its job row leaves behind goes after a day, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn old_uploads_without_a_job_are_swept() {
    for backend in [Backend::Embedded, Backend::Distributed] {
        let mut site = Site::start(MUSTER, backend, SiteOptions::default()).await;
        let path = site.client.upload(users(["a"])).await;
        site.client.finished(&path).await;
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
        muster_testkit::wait_until("the old one is swept", || {
            let left = site.stored_files();
            std::future::ready(if left.len() == 2 { Ok(()) } else { Err(left) })
        })
        .await;
        assert!(folder.join("young").exists());
        assert_eq!(site.client.get(&path).await.status, 200);
    }
}

/// Without workers a job stays where it is: the first PROCESSING, the second PENDING.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_processed_stays_and_one_that_waits_goes() {
    let mut site =
        Site::start(MUSTER, Backend::Distributed, SiteOptions { workers: 0, ..SiteOptions::default() }).await;
    let first = site.client.upload(users(["a"])).await;
    let second = site.client.upload(users(["b"])).await;
    let third = site.client.upload(users(["c"])).await;
    muster_testkit::wait_until("the first job is begun", || async {
        let status = site.client.get(&first).await.json()["status"].clone();
        if status == "PROCESSING" { Ok(()) } else { Err(status) }
    })
    .await;
    let answer = site.client.delete(&first).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["message"], "File is being processed and cannot be deleted.");
    assert_eq!(site.client.get(&second).await.json()["status"], "PENDING");
    assert_eq!(site.client.delete(&second).await.status, 200);
    assert_eq!(site.stored_uploads(), 2);

    site.start_worker().await;
    assert_eq!(counts(&site.client.finished(&first).await), [1, 1, 0, 0, 0]);
    assert_eq!(counts(&site.client.finished(&third).await), [1, 1, 0, 0, 0]);
    assert_eq!(site.client.user("b").await, serde_json::Value::Null);
}
