//! Faults during an upload: an ingest service that dies, and a disk that is full or fails.

use std::path::Path;
use std::process::Command;

use muster_testkit::{SiteOptions, wait_until};
use reqwest::Method;

use super::{File, Trial, failpoint, start_site, verbose_options};

const CSV: [(&str, &str); 1] = [("content-type", "text/csv")];

/// Writes a shell script that starts Muster in a modified environment, and returns its path.
fn write_wrapper(folder: &Path, script: &str) -> String {
    let path = folder.join("muster-wrapped");
    std::fs::write(&path, format!("#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n{script}\n")).unwrap();
    assert!(Command::new("chmod").args(["755", &path.display().to_string()]).status().unwrap().success());
    path.display().to_string()
}

/// Starts a site whose ingest service runs under a shell script. `script` gets the directory of the
/// uploads; in its result, `MUSTER` stands for the program.
async fn start_wrapped_ingest(script: impl Fn(&str) -> String) -> (Trial, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("uploads");
    std::fs::create_dir(&raw).unwrap();
    let program = write_wrapper(folder.path(), &script(&raw.display().to_string()).replace("MUSTER", crate::MUSTER));
    let mut site = start_site(SiteOptions { workers: 0, ..verbose_options(0) }).await;
    site.options.ingest_variables.push(("MUSTER_RAW_STORE".to_owned(), format!("file://{}", raw.display())));
    site.ingest.as_mut().unwrap().terminate().await;
    site.start_ingest_through(&program).await;
    (Trial::new(site), folder)
}

mod quick {
    use super::*;

    /// F09, F10, F02: ingest dies after it stores the file, after it commits the job row, or after it
    /// requests the split. An accepted upload is imported; any other leaves only a file for the sweep.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_is_imported_or_absent_if_ingest_dies_at_any_step() {
        for (point, accepted) in [("upload_stored", false), ("job_accepted", true), ("upload_answered", true)] {
            let mut options = verbose_options(1);
            options.ingest_variables = failpoint(&format!("{point}=1*return(abort)"));
            let mut trial = Trial::new(start_site(options).await);
            let file = File::mixed(81, 900, 2_500);
            let response = trial.site.client.try_send(Method::POST, "/bulk/v1/files", &CSV, file.csv()).await;
            assert!(response.is_err(), "{point}: the service died before it replied");
            trial.site.ingest.as_mut().unwrap().ended().await;
            trial.site.options.ingest_variables = Vec::new();
            trial.site.start_ingest().await;
            if accepted {
                trial.record_upload("/bulk/v1/files/1".to_owned(), file);
            } else {
                assert_eq!(trial.site.client.get("/bulk/v1/files/1").await.status, 404);
                std::fs::remove_file(&trial.site.stored_files()[0]).unwrap();
            }
            trial.upload(File::mixed(82, 900, 900)).await;
            trial.check().await;
        }
    }

    /// F05: the disk of the raw store is full. Uploads that fit are accepted, and running jobs continue.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_only_uploads_that_do_not_fit() {
        let (mut trial, folder) = start_wrapped_ingest(|raw| {
            format!("exec unshare -m sh -c 'mount -t tmpfs -o size=2m tmpfs {raw} && exec MUSTER \"$@\"' sh \"$@\"")
        })
        .await;
        let running = trial.site.client.upload(File::new_users(0, 9_000).csv()).await;
        let large = File::new_users(0, 60_000).csv();
        for _ in 0..3 {
            let response = trial.site.client.post(&CSV, large.clone()).await;
            assert_eq!(
                (response.status, response.json()["code"].as_str()),
                (507, Some("storage_full")),
                "{}",
                response.text
            );
        }
        let fits = trial.site.client.upload(File::new_users(9_000, 9_000).csv()).await;
        trial.site.start_worker().await;
        for path in [running, fits] {
            assert_eq!(trial.site.client.wait_until_final(&path).await["created_users"], 9_000);
        }
        trial.site.stop().await;
        drop(folder);
    }

    /// F06: `fsync`, `fdatasync` or `rename` fails in the raw store. The upload gets no 202 and no job.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_that_cannot_be_synced_is_refused() {
        for call in ["fsync", "fdatasync", "rename,renameat,renameat2,link,linkat"] {
            let (mut trial, folder) = start_wrapped_ingest(|_| {
                format!("exec strace -D -f -q -o /dev/null -e trace={call} -e inject={call}:error=EIO MUSTER \"$@\"")
            })
            .await;
            let response = trial.site.client.post(&CSV, File::new_users(0, 100).csv()).await;
            if call != "fdatasync" {
                assert_eq!(
                    (response.status, response.json()["code"].as_str()),
                    (503, Some("storage_unavailable")),
                    "{call}"
                );
            }
            let jobs = trial.site.servers.as_ref().unwrap().number("select count(*) from jobs").await;
            assert_eq!(jobs, i64::from(response.status == 202), "{call}");
            trial.site.stop().await;
            drop(folder);
        }
    }

    /// F07: an upload that gets 202 survives a power failure: its file and its directory were synced.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_accepted_file_and_its_directory_are_synced() {
        let trace = tempfile::NamedTempFile::new().unwrap();
        let (mut trial, folder) = start_wrapped_ingest(|_| {
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
        assert!(synced.iter().any(|line| line.contains('#')), "the file is synced before it is renamed: {synced:#?}");
        assert!(synced.iter().any(|line| !line.contains('#')), "the directory is synced: {synced:#?}");
    }

    /// F82: a file is deleted while the raw store is unavailable. Its job is gone at once, and its stored
    /// upload is swept later.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stored_upload_that_outlives_its_job_is_swept() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let path = trial.upload(File::new_users(0, 100)).await;
        trial.site.client.wait_until_final(&path).await;
        let stored = trial.site.stored_files().pop().unwrap();
        let folder = stored.parent().unwrap().to_owned();
        let moved = folder.with_extension("moved");
        std::fs::rename(&folder, &moved).unwrap();
        std::fs::write(&folder, "not a folder").unwrap();
        assert_eq!(trial.site.client.delete(&path).await.status, 200);
        assert_eq!(trial.site.client.get(&path).await.status, 404);
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&moved, &folder).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(24);
        std::fs::File::options().write(true).open(&stored).unwrap().set_modified(long_ago).unwrap();
        trial.site.ingest.as_mut().unwrap().terminate().await;
        trial.site.start_ingest().await;
        wait_until("the stored upload is swept", || std::future::ready(if stored.exists() { Err(()) } else { Ok(()) }))
            .await;
        trial.record_deletion(&path);
        trial.check().await;
    }
}

mod long {
    use super::*;

    /// F08: ingest is killed at many moments of an upload. Every upload that got a reply has a job.
    #[tokio::test(flavor = "multi_thread")]
    async fn killing_ingest_loses_no_accepted_upload() {
        let mut trial = Trial::new(start_site(verbose_options(1)).await);
        let file = File::new_users(0, 60_000);
        let mut replies = 0;
        for round in 0..50_u64 {
            let (client, csv) = (trial.site.client.clone(), file.csv());
            #[expect(clippy::disallowed_methods, reason = "joined below")]
            let upload =
                tokio::spawn(async move { client.try_send(Method::POST, "/bulk/v1/files", &CSV, csv).await.is_ok() });
            tokio::time::sleep(std::time::Duration::from_millis(round * 2)).await;
            trial.site.ingest.as_mut().unwrap().kill();
            replies += i64::from(upload.await.unwrap());
            trial.site.start_ingest().await;
        }
        let servers = trial.site.servers.clone().unwrap();
        let jobs = servers.number("select count(*) from jobs").await;
        assert!(jobs >= replies, "{replies} uploads got a reply, but there are {jobs} jobs");
        servers.execute("update jobs set lease_until = null").await;
        for job in servers.rows("select id::text from jobs order by id").await {
            trial.record_upload(format!("/bulk/v1/files/{}", job[0].clone().unwrap()), file.clone());
        }
        // Stored files without a job would be removed by the sweep.
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
