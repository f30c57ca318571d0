//! Faults of the splitter: crashes, pauses, and stored files that are missing, altered or invalid.

use muster_testkit::{Broker, wait_until, workbook, zip_archive};

use super::{File, Trial, expire_leases, failpoint, start_site, verbose_options};
use crate::flow::expected::{Status, created};

/// Starts a site whose ingest service has a fail point.
async fn start_with_ingest_failpoint(configuration: &str, workers: usize) -> Trial {
    let mut options = verbose_options(workers);
    options.ingest_variables = failpoint(configuration);
    Trial::new(start_site(options).await)
}

/// Waits until the ingest service has died at its fail point, expires its leases and starts another one.
async fn replace_dead_ingest(trial: &mut Trial) {
    trial.site.ingest.as_mut().unwrap().ended().await;
    trial.site.options.ingest_variables = Vec::new();
    expire_leases(&trial.site).await;
    trial.site.start_ingest().await;
}

/// The path of the stored upload of the only job.
fn stored_file(trial: &Trial) -> std::path::PathBuf {
    trial.site.stored_files().pop().unwrap()
}

mod quick {
    use super::*;

    /// F17, F22, F84: the splitter dies after a confirmed batch, and before and after it records the number
    /// of batches. The next splitter cuts the same batches and publishes those that are not applied.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_splitter_that_dies_at_any_step_loses_nothing() {
        for point in
            ["batch_published=7*off->1*return(abort)", "file_cut=1*return(abort)", "split_finished=1*return(abort)"]
        {
            let mut trial = start_with_ingest_failpoint(point, 1).await;
            trial.upload(File::mixed(11, 4_000, 24_000)).await;
            replace_dead_ingest(&mut trial).await;
            trial.upload(File::mixed(12, 4_000, 3_000)).await;
            trial.check().await;
        }
    }

    /// F18: a splitter is paused until another holds its lease. It stops when it resumes; the batches that
    /// it published are duplicates.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_splitter_that_lost_its_lease_stops() {
        let mut trial = start_with_ingest_failpoint("file_cut=1*return(3000)", 1).await;
        trial.upload(File::mixed(13, 4_000, 16_000)).await;
        let mut paused = trial.site.ingest.take().unwrap();
        paused.wait_for_log("a fail point was reached", "point").await;
        paused.signal("-STOP");
        trial.site.options.ingest_variables = Vec::new();
        expire_leases(&trial.site).await;
        trial.site.start_ingest().await;
        let path = trial.uploads[0].path.clone();
        trial.site.client.wait_until_final(&path).await;
        paused.signal("-CONT");
        paused
            .line("the splitter notices the lost lease", |line| line.contains("the lease was lost").then_some(()))
            .await;
        assert!(paused.terminate().await.success());
        trial.check().await;
    }

    /// F19: the stored file is missing, shorter than the upload, or altered.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stored_file_that_was_lost_or_altered_fails_its_job() {
        let damages: [fn(&std::path::Path); 3] = [
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::File::options().write(true).open(path).unwrap().set_len(1_000_000).unwrap(),
            |path| {
                let text = std::fs::read(path).unwrap();
                let half = text.len() / 2;
                std::fs::write(path, [&text[..half], &text[..text.len() - half]].concat()).unwrap();
            },
        ];
        for damage in damages {
            let mut trial = start_with_ingest_failpoint("batch_published=3*off->1*return(abort)", 1).await;
            let path = trial.upload(File::new_users(0, 40_000)).await;
            trial.site.ingest.as_mut().unwrap().ended().await;
            damage(&stored_file(&trial));
            replace_dead_ingest(&mut trial).await;
            let status = trial.site.client.wait_until_final(&path).await;
            assert_eq!(status["status"], "FAILED");
            let message = status["error_message"].as_str().unwrap();
            assert!(message.contains("the stored upload"), "{message}");
            assert!(status["created_users"].as_u64() < Some(40_000), "{status}");
            let next = trial.site.client.import(File::new_users(0, 10).csv()).await;
            assert_eq!(next["status"], "SUCCESS", "the next job of the tenant runs");
        }
    }

    /// F19: likewise an archive, which is read in ranges. Without damage, the next splitter cuts the same batches.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stored_archive_that_was_lost_or_altered_fails_its_job() {
        let csv = File::new_users(0, 40_000).csv();
        let (sheet, packed) = (workbook(std::str::from_utf8(&csv).unwrap()), zip_archive(&[("users.csv", &csv)]));
        let damages: [fn(&std::path::Path); 4] = [
            |_| {},
            |path| std::fs::remove_file(path).unwrap(),
            |path| std::fs::File::options().write(true).open(path).unwrap().set_len(100_000).unwrap(),
            |path| {
                let mut archive = std::fs::read(path).unwrap();
                let half = archive.len() / 2;
                archive[half..half + 1_000].reverse();
                std::fs::write(path, archive).unwrap();
            },
        ];
        for (archive, (number, damage)) in
            [sheet, packed].iter().flat_map(|archive| damages.iter().enumerate().map(move |damage| (archive, damage)))
        {
            let mut trial = start_with_ingest_failpoint("batch_published=3*off->1*return(abort)", 1).await;
            let headers = [("content-type", "application/zip")];
            let accepted = trial.site.client.post(&headers, archive.clone()).await;
            assert_eq!(accepted.status, 202, "{}", accepted.text);
            trial.site.ingest.as_mut().unwrap().ended().await;
            damage(&stored_file(&trial));
            replace_dead_ingest(&mut trial).await;
            let status = trial.site.client.wait_until_final("/bulk/v1/files/1").await;
            let expected = if number == 0 { ("SUCCESS", true) } else { ("FAILED", false) };
            assert_eq!((status["status"].as_str().unwrap(), status["created_users"] == 40_000), expected, "{status}");
            let message = status["error_message"].as_str().unwrap();
            assert_eq!(message.contains("the stored upload"), number > 0, "{message}");
        }
    }

    /// F20: the cut rules of a job are those stored in its row, not those of the splitter that runs.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_repeated_split_uses_the_cut_rules_of_the_job() {
        let mut trial = start_with_ingest_failpoint("job_accepted=1*return(abort)", 1).await;
        let file = File::mixed(14, 400, 1_000);
        let response = trial.site.client.try_send(
            reqwest::Method::POST,
            "/bulk/v1/files",
            &[("content-type", "text/csv")],
            file.csv(),
        );
        assert!(response.await.is_err(), "the service died before it replied");
        let rules = "update jobs set cut = replace(cut, '\"batch_rows\":2000', '\"batch_rows\":7')";
        trial.site.servers.as_ref().unwrap().execute(rules).await;
        trial.record_upload("/bulk/v1/files/1".to_owned(), file);
        replace_dead_ingest(&mut trial).await;
        trial.site.client.wait_until_final("/bulk/v1/files/1").await;
        let batches = trial.site.servers.as_ref().unwrap().number("select count(*) from ledger").await;
        assert!(batches > 1_000 / 120, "{batches} batches");
        trial.check().await;
    }

    /// F21: a split request is acknowledged before the file is split, so that the delivery timeout of the
    /// broker does not limit a split.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_split_holds_no_unacknowledged_message() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        trial.upload(File::new_users(0, 200_000)).await;
        let servers = trial.site.servers.clone().unwrap();
        let broker = Broker::connect(&servers).await;
        wait_until("the window of the job is full", || async {
            let waiting = broker.count_waiting("batch.v1").await;
            if waiting == Some(64) { Ok(()) } else { Err(waiting) }
        })
        .await;
        // An unacknowledged split request would return to its queue now.
        trial.site.ingest.as_mut().unwrap().kill();
        assert_eq!(broker.count_waiting("split.v1").await, Some(0));
        expire_leases(&trial.site).await;
        trial.site.start_ingest().await;
        trial.site.start_worker().await;
        trial.check().await;
    }

    /// F24: a late line cannot be read. All others are imported.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_error_late_in_a_file_is_reported_with_its_line() {
        let trial = Trial::new(start_site(verbose_options(1)).await);
        let mut text = File::new_users(0, 30_000).csv();
        text.extend_from_slice(b"a@x,a,\"no end,L\n");
        text.extend_from_slice(&File::new_users(30_000, 2_000).csv());
        let status = trial.site.client.import(text).await;
        assert_eq!(status.counts(), created(32_000).failed(1));
        assert_eq!(
            status["error_message"],
            "Line 30002: a quote opens a value, and no quote closes it before the next row"
        );
    }

    /// F26: batches are limited in bytes as well as in rows.
    #[tokio::test(flavor = "multi_thread")]
    async fn large_rows_make_small_batches() {
        let trial = Trial::new(start_site(verbose_options(1)).await);
        let wide: Vec<String> = (0..60).map(|column| format!("extra{column}")).collect();
        let titles = format!("{},{}", crate::flow::TITLES, wide.join(","));
        let cells = vec!["x".repeat(1_000); 60].join(",");
        let rows = (0..24).map(|n| format!("u{n}@x,u{n},F,L,{cells}"));
        let status = trial.site.client.import(crate::flow::csv(&titles, rows)).await;
        assert_eq!(status.counts(), created(24));
        let servers = trial.site.servers.as_ref().unwrap();
        assert_eq!(servers.number("select count(*) from ledger").await, 3, "eight rows of 60 kB in 512 KiB");
    }

    /// F85: files that have only a title line.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_without_rows_ends_at_once() {
        let mut trial = Trial::new(start_site(verbose_options(0)).await);
        trial.upload(File::new_users(0, 0)).await;
        trial.upload(File::new_users(0, 0)).await;
        trial.check().await;
    }

    /// F27: small jobs of another tenant finish while a large one is running.
    #[tokio::test(flavor = "multi_thread")]
    async fn small_jobs_do_not_wait_for_a_large_one() {
        let mut site = start_site(verbose_options(1)).await;
        let other = site.tenant("other", &[]).await;
        let mut trial = Trial::new(site);
        let large = trial.upload(File::new_users(0, 200_000)).await;
        trial.wait_for_first_rows(&large).await;
        for n in 0..10 {
            let status = other.import(File::new_users(n, 10).csv()).await;
            assert_eq!(status["total_users"], 10);
        }
        assert_eq!(trial.site.client.get(&large).await.json()["status"], "PROCESSING");
        assert_eq!(trial.site.client.wait_until_final(&large).await["created_users"], 200_000);
    }
}
