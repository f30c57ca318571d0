//! The invariants that hold after every fault.
//!
//! - Every job is final.
//! - The ledger of a job has each batch once, and its batches cover the file without gaps.
//! - Ledger, job row, status and error report agree.
//! - The users equal those of a single-threaded run.
//! - The stored uploads are unchanged, and no others are left.
//! - The work queues are empty, and no transaction is open.
//! - No log contains personal data.
//! - Every process exits successfully when it is asked to stop.

use std::collections::BTreeMap;

use muster_domain::JobId;
use muster_ports::Counters;
use muster_redis::{RedisConfig, RedisCounters};
use muster_testkit::{Broker, Servers, wait_until};

use super::Trial;
use super::model::{self, Outcomes, Users};
use crate::flow::expected::Status;

/// The queues that must be empty at the end.
const WORK_QUEUES: [&str; 3] = ["split.v1", "batch.v1", "batch.small.v1"];

pub(crate) async fn check(trial: &mut Trial) {
    let servers = trial.site.servers.clone().expect("a fault test has a distributed site");
    check_jobs(trial, &servers).await;
    check_ledgers(&servers).await;
    check_uploads(trial, &servers).await;
    let broker = Broker::connect(&servers).await;
    for queue in WORK_QUEUES {
        wait_until("the queue is empty", || async {
            match broker.count_waiting(queue).await {
                Some(0) => Ok(()),
                waiting => Err((queue, waiting)),
            }
        })
        .await;
    }
    trial.site.stop().await;
    for queue in WORK_QUEUES {
        assert_eq!(broker.count_waiting(queue).await, Some(0), "a message of {queue} was not settled");
    }
    assert_eq!(broker.count_waiting("dead.v1").await, Some(trial.dead_letters), "dead letters");
    check_transactions(&servers).await;
    let output = trial.site.output();
    assert!(!output.contains("canary"), "a log contains personal data");
    assert!(
        !output.contains("version check failed"),
        "a batch failed the version check: rows of one user were applied out of order"
    );
}

/// Compares statuses, error reports and users with those of a single-threaded run over the jobs in order.
async fn check_jobs(trial: &Trial, servers: &Servers) {
    let mut users = Users::new();
    let counters =
        RedisCounters::new(RedisConfig { url: servers.redis_url.clone().into(), namespace: servers.prefix.clone() });
    let mut uploads: Vec<_> = trial.uploads.iter().collect();
    uploads.sort_by_key(|upload| job_id(&upload.path));
    for upload in uploads {
        let mut expected = model::import(&mut users, &upload.file);
        for line in &trial.not_applied_lines {
            let row = usize::try_from(*line).unwrap() - 2;
            expect_not_applied(&mut expected, &mut users, &upload.file.rows[row], *line);
        }
        if upload.deleted {
            continue;
        }
        let status = trial.site.client.wait_until_final(&upload.path).await;
        assert_eq!(status.counts(), expected.counts(), "{}: {status}", upload.path);
        assert_eq!(fetch_rejections(trial, &upload.path).await, expected.failed, "the error report of {}", upload.path);
        // The counters of a final job may lack batches forever, but never count one twice.
        let view = counters.as_ref().unwrap().read(JobId(job_id(&upload.path))).await.ok().flatten();
        if let Some(view) = view {
            assert!(view.counts.rows() <= expected.counts().total, "counters {view:?} exceed the status {status}");
        }
    }
    let stored = load_users(servers).await;
    for (key, user) in &users {
        assert_eq!(stored.get(key), Some(user), "user {key}");
    }
    assert_eq!(stored.len(), users.len(), "number of users");
}

fn job_id(path: &str) -> i64 {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// Expects that the row of a new user failed as `not_applied`, so that the user does not exist.
fn expect_not_applied(expected: &mut Outcomes, users: &mut Users, row: &[String], line: u64) {
    expected.created -= 1;
    expected.failed.push((line, "not_applied".to_owned()));
    expected.failed.sort();
    users.remove(&row[1]);
}

async fn fetch_rejections(trial: &Trial, path: &str) -> Vec<(u64, String)> {
    let headers = [("accept", "text/csv")];
    let response = trial.site.client.send(reqwest::Method::GET, &format!("{path}/errors"), &headers, Vec::new()).await;
    assert_eq!(response.status, 200, "{}", response.text);
    let mut reader = csv::Reader::from_reader(response.text.as_bytes());
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        (row[0].parse().unwrap(), row[3].to_owned())
    });
    rows.collect()
}

async fn load_users(servers: &Servers) -> Users {
    let columns = ["email", "username", "first_name", "last_name", "work_city", "job_nm", "badge"];
    let query = "select username_key, email, username, first_name, last_name, work_city, job_nm, attributes->>'badge' \
                 from users";
    let mut users = Users::new();
    for row in servers.rows(query).await {
        let (key, values) = row.split_first().unwrap();
        let cells = columns.into_iter().zip(values).filter_map(|(column, value)| Some((column, value.clone()?)));
        users.insert(key.clone().unwrap(), cells.collect::<BTreeMap<_, _>>());
    }
    users
}

async fn check_ledgers(servers: &Servers) {
    let incomplete = "select count(*) from jobs j, lateral (select count(*) as batches, \
         coalesce(sum(created + updated + unchanged + failed), 0) as rows, coalesce(sum(created), 0) as created, \
         coalesce(sum(updated), 0) as updated, coalesce(sum(unchanged), 0) as unchanged, \
         coalesce(sum(failed), 0) as failed from ledger l where l.job = j.id and l.tenant = j.tenant) s \
         where state not in ('SUCCESS', 'FAILED', 'CANCELED') \
         or row (j.created, j.updated, j.unchanged, j.failed) is distinct from \
            row (s.created, s.updated, s.unchanged, s.failed) \
         or (state <> 'CANCELED' and coalesce(file_error_code, '') <> 'raw_missing' \
             and row (total_batches, total_rows) is distinct from row (s.batches, s.rows))";
    assert_eq!(servers.number(incomplete).await, 0, "jobs that are not final or differ from their ledger");
    let gaps = "select count(*) from (select batch <> row_number() over w or first_offset <> \
         lag(end_offset, 1, 0::bigint) over w as gap from ledger l join jobs j on j.id = l.job \
         where j.state <> 'CANCELED' and coalesce(file_error_code, '') <> 'raw_missing' \
         window w as (partition by l.job order by batch)) as l where gap";
    assert_eq!(servers.number(gaps).await, 0, "gaps between the batches of a ledger");
    let rejections =
        "select count(*) from jobs j where failed <> (select count(*) from rejections r where r.job = j.id)";
    assert_eq!(servers.number(rejections).await, 0, "jobs whose failed rows and rejections differ in number");
}

/// Every stored upload is unchanged, and there are no others.
async fn check_uploads(trial: &Trial, servers: &Servers) {
    let stored = trial.site.stored_files();
    let kept: Vec<_> = trial.uploads.iter().filter(|upload| !upload.deleted).collect();
    for upload in &kept {
        let query = format!("select raw_key from jobs where id = {}", job_id(&upload.path));
        let key = servers.rows(&query).await[0][0].clone().unwrap();
        let path = stored
            .iter()
            .find(|path| path.ends_with(&key))
            .unwrap_or_else(|| panic!("the stored upload {key} is missing"));
        assert!(std::fs::read(path).unwrap() == upload.file.csv(), "the stored upload {key} was altered");
    }
    assert!(trial.may_leave_orphans || stored.len() == kept.len(), "stored uploads without a job: {stored:?}");
}

async fn check_transactions(servers: &Servers) {
    wait_until("no transaction is left open", || async {
        let open = "select count(*) from pg_stat_activity where datname = current_database() \
                    and state like 'idle in transaction%' and pid <> pg_backend_pid()";
        match servers.number(open).await {
            0 => Ok(()),
            open => Err(open),
        }
    })
    .await;
}
