//! Faults of the embedded database: its disk fails or is full, another program holds its lock, and a table is missing.

use std::process::{Child, Command, Stdio};

use muster_testkit::{Backend, Site, wait_until};

use super::{File, failpoint, verbose_options};
use crate::MUSTER;

/// Starts an embedded site and waits until it has applied some rows of a file, whose path is returned.
async fn start_with_running_job() -> (Site, String) {
    let site = Site::start(MUSTER, Backend::Embedded, verbose_options(0)).await;
    let path = site.client.upload(File::new_users(0, 60_000).csv()).await;
    wait_until("rows are applied", || async {
        let status = site.client.get(&path).await.json();
        if status["created_users"].as_u64() > Some(0) { Ok(()) } else { Err(status) }
    })
    .await;
    (site, path)
}

/// Waits until a batch waits for the database.
async fn wait_until_rows_wait(site: &mut Site) {
    site.ingest.as_mut().unwrap().wait_for_log("a batch is waiting for the database", "job").await;
}

async fn assert_every_row_is_applied(site: &Site, path: &str) {
    let status = site.client.wait_until_final(path).await;
    let counts = ["created_users", "failed_users"].map(|key| status[key].as_u64());
    assert_eq!((counts, &status["status"]), ([Some(60_000), Some(0)], &"SUCCESS".into()), "{status}");
}

/// Makes every write of the database fail with this error. Uploads are written by another system call.
fn fail_writes(site: &Site, error: &str) -> Child {
    let id = site.ingest.as_ref().unwrap().id().to_string();
    let inject = format!("inject=pwrite64:error={error}");
    Command::new("strace")
        .args(["-f", "-q", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", &inject, "-p", &id])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Detaches strace: the disk works again.
async fn end(mut strace: Child) {
    let id = strace.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    wait_until("strace ends", || std::future::ready(strace.try_wait().unwrap().ok_or("running"))).await;
}

mod quick {
    use super::*;

    /// A panic on the thread that writes ends neither the thread nor the import.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_while_the_embedded_database_writes_costs_one_attempt() {
        let mut options = verbose_options(0);
        options.variables = failpoint("users_written=1*panic(in a write)");
        let site = Site::start(MUSTER, Backend::Embedded, options).await;
        for first in [0, 10_000] {
            let status = site.client.import(File::new_users(first, 10_000).csv()).await;
            let counts = ["created_users", "failed_users"].map(|key| status[key].as_u64());
            assert_eq!((counts, &status["status"]), ([Some(10_000), Some(0)], &"SUCCESS".into()), "{status}");
        }
        assert!(site.ingest.as_ref().unwrap().output().contains("a call of the database panicked"), "it did");
    }

    /// F67: the disk fails, or is full.
    #[tokio::test(flavor = "multi_thread")]
    async fn rows_wait_while_the_disk_of_the_embedded_database_fails() {
        for error in ["EIO", "ENOSPC"] {
            let (mut site, path) = start_with_running_job().await;
            let strace = fail_writes(&site, error);
            wait_until_rows_wait(&mut site).await;
            end(strace).await;
            assert_every_row_is_applied(&site, &path).await;
        }
    }

    /// F59: another program holds the lock of the database.
    #[tokio::test(flavor = "multi_thread")]
    async fn rows_wait_while_another_program_locks_the_embedded_database() {
        let (mut site, path) = start_with_running_job().await;
        let other = rusqlite::Connection::open(format!("{}/muster.db", site.data())).unwrap();
        other.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
        other.execute_batch("begin immediate").unwrap();
        wait_until_rows_wait(&mut site).await;
        other.execute_batch("rollback").unwrap();
        assert_every_row_is_applied(&site, &path).await;
    }

    /// F67: a table is missing. One line says that an operator is needed, and the service is not ready meanwhile.
    #[tokio::test(flavor = "multi_thread")]
    async fn rows_wait_while_a_table_of_the_embedded_database_is_missing() {
        let (mut site, path) = start_with_running_job().await;
        let other = rusqlite::Connection::open(format!("{}/muster.db", site.data())).unwrap();
        other.busy_timeout(std::time::Duration::from_mins(1)).unwrap();
        other.execute_batch("alter table users rename to users_gone").unwrap();
        wait_until_rows_wait(&mut site).await;
        let reported = site.ingest.as_ref().unwrap().output().matches("the database must be repaired; work").count();
        assert_eq!(reported, 1);
        assert_eq!(site.client.get("/readyz").await.status, 503);
        other.execute_batch("alter table users_gone rename to users").unwrap();
        assert_every_row_is_applied(&site, &path).await;
    }
}
