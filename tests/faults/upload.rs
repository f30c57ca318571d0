//! Uploads whose service dies, whose disk is full or lies, and whose cloud loses its answers.

use std::path::Path;
use std::process::Command;

use muster_testkit::{SiteOptions, wait_until};
use reqwest::Method;

use super::{File, Trial, at, options, site};

const CSV: [(&str, &str); 1] = [("content-type", "text/csv")];

/// A program that starts Muster in surroundings of its own. It takes the arguments of Muster.
fn wrapper(folder: &Path, script: &str) -> String {
    let path = folder.join("muster-wrapped");
    std::fs::write(&path, format!("#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n{script}\n")).unwrap();
    assert!(Command::new("chmod").args(["755", &path.display().to_string()]).status().unwrap().success());
    path.display().to_string()
}

/// A trial whose ingest service runs in a wrapper that `script` makes of the program and of the
/// folder of its uploads.
async fn wrapped(script: impl Fn(&str) -> String) -> (Trial, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("uploads");
    std::fs::create_dir(&raw).unwrap();
    let program = wrapper(folder.path(), &script(&raw.display().to_string()).replace("MUSTER", crate::MUSTER));
    let mut site = site(SiteOptions { workers: 0, ..options(0) }).await;
    site.options.of_ingest.push(("MUSTER_RAW_STORE".to_owned(), format!("file://{}", raw.display())));
    site.ingest.as_mut().unwrap().terminate().await;
    site.start_ingest_by(&program).await;
    (Trial::new(site), folder)
}

mod quick {
    use super::*;

    /// F09, F10, F02: the service dies behind the stored file, behind the job row, behind the bell.
    /// What was accepted is imported; what was not leaves a file for the sweep, and nothing else.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_service_dies_between_any_two_lines_of_an_upload() {
        for (point, accepted) in [("upload_stored", false), ("job_accepted", true), ("upload_answered", true)] {
            let mut options = options(1);
            options.of_ingest = at(&format!("{point}=1*return(abort)"));
            let mut trial = Trial::new(site(options).await);
            let file = File::mixed(81, 900, 2_500);
            let answer = trial.site.client.try_send(Method::POST, "/bulk/v1/files", &CSV, file.csv()).await;
            assert!(answer.is_err(), "{point}: the service died before it answered");
            trial.site.ingest.as_mut().unwrap().ended().await;
            trial.site.options.of_ingest = Vec::new();
            trial.site.start_ingest().await;
            if accepted {
                trial.accepted("/bulk/v1/files/1".to_owned(), file);
            } else {
                assert_eq!(trial.site.client.get("/bulk/v1/files/1").await.status, 404);
                std::fs::remove_file(&trial.site.stored_files()[0]).unwrap();
            }
            trial.upload(File::mixed(82, 900, 900)).await;
            trial.check().await;
        }
    }

    /// F05: no space is left for uploads. Those that fit are taken, and running jobs go on.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_what_does_not_fit() {
        let (mut trial, folder) = wrapped(|raw| {
            format!("exec unshare -m sh -c 'mount -t tmpfs -o size=2m tmpfs {raw} && exec MUSTER \"$@\"' sh \"$@\"")
        })
        .await;
        let running = trial.site.client.upload(File::new_users(0, 9_000).csv()).await;
        let large = File::new_users(0, 60_000).csv();
        for _ in 0..3 {
            let answer = trial.site.client.post(&CSV, large.clone()).await;
            assert_eq!((answer.status, answer.json()["code"].as_str()), (507, Some("storage_full")), "{}", answer.text);
        }
        let fits = trial.site.client.upload(File::new_users(9_000, 9_000).csv()).await;
        trial.site.start_worker().await;
        for path in [running, fits] {
            assert_eq!(trial.site.client.finished(&path).await["created_users"], 9_000);
        }
        trial.site.stop().await;
        drop(folder);
    }

    /// F06: the disk reports an error when it is told to keep what was written, or to rename it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_fails_is_never_answered_by_202() {
        for call in ["fsync", "fdatasync", "rename,renameat,renameat2,link,linkat"] {
            let (mut trial, folder) = wrapped(|_| {
                format!("exec strace -D -f -q -o /dev/null -e trace={call} -e inject={call}:error=EIO MUSTER \"$@\"")
            })
            .await;
            let answer = trial.site.client.post(&CSV, File::new_users(0, 100).csv()).await;
            if call != "fdatasync" {
                assert_eq!(
                    (answer.status, answer.json()["code"].as_str()),
                    (503, Some("storage_unavailable")),
                    "{call}"
                );
            }
            let jobs = trial.site.servers.as_ref().unwrap().number("select count(*) from jobs").await;
            assert_eq!(jobs, i64::from(answer.status == 202), "{call}");
            trial.site.stop().await;
            drop(folder);
        }
    }

    /// F07: what is answered by 202 survives a power cut: file and folder entry were synced.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_accepted_file_is_synced_with_its_folder() {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let (mut trial, folder) = wrapped(|_| {
            let calls = "fsync,fdatasync,rename,renameat,renameat2,link,linkat,openat";
            format!("exec strace -D -f -q -y -o {} -e trace={calls} MUSTER \"$@\"", trace.path().display())
        })
        .await;
        trial.site.client.upload(File::new_users(0, 100).csv()).await;
        trial.site.stop().await;
        let trace = std::fs::read_to_string(trace.path()).unwrap();
        let uploads = folder.path().join("uploads").display().to_string();
        let synced: Vec<&str> =
            trace.lines().filter(|line| line.contains("sync(") && line.contains(&uploads)).collect();
        assert!(synced.iter().any(|line| line.contains('#')), "the file before it gets its name: {synced:#?}");
        assert!(synced.iter().any(|line| !line.contains('#')), "the folder that holds the name: {synced:#?}");
    }

    /// F82: a file is deleted while the raw store is away. It is not found any more, and what is
    /// left of it is swept.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_deleted_file_whose_object_stays_is_swept() {
        let mut trial = Trial::new(site(options(1)).await);
        let path = trial.upload(File::new_users(0, 100)).await;
        trial.site.client.finished(&path).await;
        let stored = trial.site.stored_files().pop().unwrap();
        let folder = stored.parent().unwrap().to_owned();
        let away = folder.with_extension("away");
        std::fs::rename(&folder, &away).unwrap();
        std::fs::write(&folder, "not a folder").unwrap();
        assert_eq!(trial.site.client.delete(&path).await.status, 200);
        assert_eq!(trial.site.client.get(&path).await.status, 404);
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&away, &folder).unwrap();
        let day_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(24);
        std::fs::File::options().write(true).open(&stored).unwrap().set_modified(day_ago).unwrap();
        trial.site.ingest.as_mut().unwrap().terminate().await;
        trial.site.start_ingest().await;
        wait_until("it is swept", || std::future::ready(if stored.exists() { Err(()) } else { Ok(()) })).await;
        trial.deleted(&path);
        trial.check().await;
    }
}

mod long {
    use super::*;

    /// F08: the service is killed at any moment of an upload.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_service_is_killed_at_any_moment_of_an_upload() {
        let mut trial = Trial::new(site(options(1)).await);
        let file = File::new_users(0, 60_000);
        let mut accepted = 0;
        for round in 0..50_u64 {
            let (client, csv) = (trial.site.client.clone(), file.csv());
            #[expect(clippy::disallowed_methods, reason = "joined below")]
            let upload =
                tokio::spawn(async move { client.try_send(Method::POST, "/bulk/v1/files", &CSV, csv).await.is_ok() });
            tokio::time::sleep(std::time::Duration::from_millis(round * 2)).await;
            trial.site.ingest.as_mut().unwrap().kill();
            accepted += i64::from(upload.await.unwrap());
            trial.site.start_ingest().await;
        }
        let servers = trial.site.servers.clone().unwrap();
        let jobs = servers.number("select count(*) from jobs").await;
        assert!(jobs >= accepted, "{accepted} were answered, {jobs} are there");
        servers.execute("update jobs set lease_until = null").await;
        for job in servers.rows("select id::text from jobs order by id").await {
            trial.accepted(format!("/bulk/v1/files/{}", job[0].clone().unwrap()), file.clone());
        }
        // Files without a job wait for the sweep; their owner may send them again.
        let known = servers.rows("select raw_key from jobs").await;
        for stored in trial.site.stored_files() {
            if !known.iter().any(|row| stored.ends_with(row[0].as_ref().unwrap())) {
                std::fs::remove_file(stored).unwrap();
            }
        }
        trial.upload(File::mixed(83, 900, 900)).await;
        trial.check().await;
    }
}
