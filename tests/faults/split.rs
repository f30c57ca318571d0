//! Splitters that die, stall or are fooled by what they read.

use muster_testkit::{Broker, wait_until};

use super::{File, Trial, at, options, site, void_leases};

/// A trial whose ingest service does something at a fail point.
async fn with_ingest_at(point: &str, workers: usize) -> Trial {
    let mut options = options(workers);
    options.of_ingest = at(point);
    Trial::new(site(options).await)
}

/// Starts another ingest service as soon as the first has ended by itself. The lease of the dead
/// splitter would lapse after a minute; the test does not wait for it.
async fn replace_ingest(trial: &mut Trial) {
    trial.site.ingest.as_mut().unwrap().ended().await;
    trial.site.options.of_ingest = Vec::new();
    void_leases(&trial.site).await;
    trial.site.start_ingest().await;
}

/// The stored upload of the only job.
fn stored(trial: &Trial) -> std::path::PathBuf {
    trial.site.stored_files().pop().unwrap()
}

mod quick {
    use super::*;

    /// F17, F22, F84: killed behind any confirmed batch, before and after the number of batches is
    /// written down. The next splitter cuts the same batches and publishes what is missing.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_splitter_dies_between_any_two_lines() {
        for point in
            ["batch_published=7*off->1*return(abort)", "file_cut=1*return(abort)", "split_finished=1*return(abort)"]
        {
            let mut trial = with_ingest_at(point, 1).await;
            trial.upload(File::mixed(11, 4_000, 24_000)).await;
            replace_ingest(&mut trial).await;
            trial.upload(File::mixed(12, 4_000, 3_000)).await;
            trial.check().await;
        }
    }

    /// F18: a splitter that stood still while its lease went to another. It stops, and what it
    /// published meanwhile is a duplicate.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_splitter_that_lost_its_lease_stops() {
        let mut trial = with_ingest_at("file_cut=1*return(3000)", 1).await;
        trial.upload(File::mixed(13, 4_000, 16_000)).await;
        let mut sleeper = trial.site.ingest.take().unwrap();
        sleeper.logged("a fail point was reached", "point").await;
        sleeper.signal("-STOP");
        trial.site.options.of_ingest = Vec::new();
        void_leases(&trial.site).await;
        trial.site.start_ingest().await;
        let path = trial.uploads[0].path.clone();
        trial.site.client.finished(&path).await;
        sleeper.signal("-CONT");
        sleeper.line("the splitter notices", |line| line.contains("the lease was lost").then_some(())).await;
        assert!(sleeper.terminate().await.success());
        trial.check().await;
    }

    /// F19: the stored file is gone, shorter or another one than was uploaded.
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
            let mut trial = with_ingest_at("batch_published=3*off->1*return(abort)", 1).await;
            let path = trial.upload(File::new_users(0, 40_000)).await;
            trial.site.ingest.as_mut().unwrap().ended().await;
            damage(&stored(&trial));
            replace_ingest(&mut trial).await;
            let status = trial.site.client.finished(&path).await;
            assert_eq!(status["status"], "FAILED");
            let message = status["error_message"].as_str().unwrap();
            assert!(message.contains("the stored upload"), "{message}");
            assert!(status["created_users"].as_u64() < Some(40_000), "{status}");
            let next = trial.site.client.import(File::new_users(0, 10).csv()).await;
            assert_eq!(next["status"], "SUCCESS", "the tenant's next job runs");
        }
    }

    /// F20: how a file is cut is frozen in its job row, not taken from the splitter that runs.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_repeated_split_cuts_by_the_rules_of_the_job() {
        let mut trial = with_ingest_at("job_accepted=1*return(abort)", 1).await;
        let file = File::mixed(14, 400, 1_000);
        let answer = trial.site.client.try_send(
            reqwest::Method::POST,
            "/bulk/v1/files",
            &[("content-type", "text/csv")],
            file.csv(),
        );
        assert!(answer.await.is_err(), "the service dies before it answers");
        let rules = "update jobs set cut = replace(cut, '\"batch_rows\":2000', '\"batch_rows\":7')";
        trial.site.servers.as_ref().unwrap().execute(rules).await;
        trial.accepted("/bulk/v1/files/1".to_owned(), file);
        replace_ingest(&mut trial).await;
        trial.site.client.finished("/bulk/v1/files/1").await;
        let batches = trial.site.servers.as_ref().unwrap().number("select count(*) from ledger").await;
        assert!(batches > 1_000 / 120, "{batches} batches");
        trial.check().await;
    }

    /// F21: a doorbell is answered before its file is cut: a split may last as long as it likes.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_split_holds_no_message() {
        let mut trial = Trial::new(site(options(0)).await);
        trial.upload(File::new_users(0, 200_000)).await;
        let servers = trial.site.servers.clone().unwrap();
        let broker = Broker::connect(&servers).await;
        wait_until("the window of the job is full", || async {
            let waiting = broker.waiting("batch.v1").await;
            if waiting == Some(64) { Ok(()) } else { Err(waiting) }
        })
        .await;
        // Its consumer would give back what it had not settled.
        trial.site.ingest.as_mut().unwrap().kill();
        assert_eq!(broker.waiting("split.v1").await, Some(0));
        void_leases(&trial.site).await;
        trial.site.start_ingest().await;
        trial.site.start_worker().await;
        trial.check().await;
    }

    /// F24: a file that cannot be read past a late line keeps what was before it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_fault_late_in_a_file_names_its_line() {
        let trial = Trial::new(site(options(1)).await);
        let mut text = File::new_users(0, 30_000).csv();
        text.extend_from_slice(b"a@x,a,\"no end,L\n");
        text.extend_from_slice(&File::new_users(30_000, 2_000).csv());
        let status = trial.site.client.import(text).await;
        assert_eq!(crate::flow::counts(&status), [30_000, 30_000, 0, 0, 0]);
        assert_eq!(status["error_message"], "Line 30002: a value that begins with a quote does not end with one");
    }

    /// F26: batches are cut by bytes too, and one record may be larger than a batch.
    #[tokio::test(flavor = "multi_thread")]
    async fn large_rows_make_small_batches() {
        let trial = Trial::new(site(options(1)).await);
        let wide: Vec<String> = (0..60).map(|column| format!("extra{column}")).collect();
        let titles = format!("{},{}", crate::flow::TITLES, wide.join(","));
        let cells = vec!["x".repeat(4_000); 60].join(",");
        let rows = (0..20).map(|n| format!("u{n}@x,u{n},F,L,{cells}"));
        let status = trial.site.client.import(crate::flow::csv(&titles, rows)).await;
        assert_eq!(crate::flow::counts(&status), [20, 20, 0, 0, 0]);
        let servers = trial.site.servers.as_ref().unwrap();
        assert_eq!(servers.number("select count(*) from ledger").await, 10, "two rows of 240 kB in 512 KiB");
    }

    /// F85: files without a row.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_without_rows_ends_at_once() {
        let mut trial = Trial::new(site(options(0)).await);
        trial.upload(File::new_users(0, 0)).await;
        trial.upload(File::new_users(0, 0)).await;
        trial.check().await;
    }

    /// F27: small jobs of another tenant end while a big one is under way, and never wait for it.
    #[tokio::test(flavor = "multi_thread")]
    async fn small_jobs_pass_a_big_one() {
        let mut site = site(options(1)).await;
        let other = site.tenant("other", &[]).await;
        let mut trial = Trial::new(site);
        let big = trial.upload(File::new_users(0, 200_000)).await;
        trial.in_the_middle(&big).await;
        for n in 0..10 {
            let status = other.import(File::new_users(n, 10).csv()).await;
            assert_eq!(status["total_users"], 10);
        }
        assert_eq!(trial.site.client.get(&big).await.json()["status"], "PROCESSING");
        assert_eq!(trial.site.client.finished(&big).await["created_users"], 200_000);
    }
}
