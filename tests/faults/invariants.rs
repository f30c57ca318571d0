//! The one checker that every fault ends with.
//!
//! Every job is final; its ledger has each batch once and joins from the file's start to its end;
//! ledger, job row, status and reports say the same; the users are those of a single-threaded run;
//! the stored uploads are untouched; no queue, transaction or unfinished upload is left; nothing
//! about a person is in a log; every process stops in good order.

use std::collections::BTreeMap;

use muster_domain::JobId;
use muster_ports::Counters;
use muster_redis::{RedisConfig, RedisCounters};
use muster_testkit::{Broker, Servers, wait_until};

use super::model::{self, Outcomes, Users};
use super::trial::Trial;
use crate::flow::counts;

/// The queues that must be empty in the end.
const WORK_QUEUES: [&str; 3] = ["split.v1", "batch.v1", "batch.small.v1"];

pub(crate) async fn check(trial: &mut Trial) {
    let servers = trial.site.servers.clone().expect("faults are tried on a distributed site");
    check_jobs(trial, &servers).await;
    check_ledgers(&servers).await;
    check_uploads(trial, &servers).await;
    let broker = Broker::connect(&servers).await;
    for queue in WORK_QUEUES {
        wait_until("the queue is empty", || async {
            match broker.waiting(queue).await {
                Some(0) => Ok(()),
                waiting => Err((queue, waiting)),
            }
        })
        .await;
    }
    trial.site.stop().await;
    for queue in WORK_QUEUES {
        assert_eq!(broker.waiting(queue).await, Some(0), "a message of {queue} was not settled");
    }
    assert_eq!(broker.waiting("dead.v1").await, Some(trial.dead_letters), "dead letters");
    check_sessions(&servers).await;
    let output = trial.site.output();
    assert!(!output.contains("canary"), "data about a person are in a log");
    assert!(!output.contains("a later row has written"), "the version wall was needed");
}

/// Status, report and users are those of a single-threaded run over the jobs in their order.
async fn check_jobs(trial: &Trial, servers: &Servers) {
    let mut users = Users::new();
    let counters =
        RedisCounters::new(RedisConfig { url: servers.redis_url.clone().into(), namespace: servers.prefix.clone() });
    let mut uploads: Vec<_> = trial.uploads.iter().collect();
    uploads.sort_by_key(|upload| id_of(&upload.path));
    for upload in uploads {
        let mut expected = model::import(&mut users, &upload.file);
        for line in &trial.given_up {
            let row = usize::try_from(*line).unwrap() - 2;
            give_up(&mut expected, &mut users, &upload.file.rows[row], *line);
        }
        if upload.deleted {
            continue;
        }
        let status = trial.site.client.finished(&upload.path).await;
        assert_eq!(counts(&status), expected.counts(), "{}: {status}", upload.path);
        assert_eq!(reported(trial, &upload.path).await, expected.failed, "the report of {}", upload.path);
        // A view of a final job may be behind for ever, but never counts a batch twice.
        let view = counters.as_ref().unwrap().read(JobId(id_of(&upload.path))).await.ok().flatten();
        if let Some(view) = view {
            assert!(view.counts.rows() <= expected.counts()[0], "{view:?} of {status}");
        }
    }
    let stored = stored_users(servers).await;
    for (key, user) in &users {
        assert_eq!(stored.get(key), Some(user), "{key}");
    }
    assert_eq!(stored.len(), users.len(), "users");
}

fn id_of(path: &str) -> i64 {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// A row of a new user that cannot be applied is a failure, and the user is not there.
fn give_up(expected: &mut Outcomes, users: &mut Users, row: &[String], line: u64) {
    expected.created -= 1;
    expected.failed.push((line, "not_applied".to_owned()));
    expected.failed.sort();
    users.remove(&row[1]);
}

async fn reported(trial: &Trial, path: &str) -> Vec<(u64, String)> {
    let headers = [("accept", "text/csv")];
    let answer = trial.site.client.send(reqwest::Method::GET, &format!("{path}/errors"), &headers, Vec::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        (row[0].parse().unwrap(), row[2].to_owned())
    });
    rows.collect()
}

async fn stored_users(servers: &Servers) -> Users {
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
    assert_eq!(servers.number(incomplete).await, 0, "jobs whose ledger is not what their row says");
    let gaps = "select count(*) from (select batch <> row_number() over w or first_offset <> \
         lag(end_offset, 1, 0::bigint) over w as gap from ledger l join jobs j on j.id = l.job \
         where j.state <> 'CANCELED' and coalesce(file_error_code, '') <> 'raw_missing' \
         window w as (partition by l.job order by batch)) as l where gap";
    assert_eq!(servers.number(gaps).await, 0, "gaps in a ledger");
    let rejections =
        "select count(*) from jobs j where failed <> (select count(*) from rejections r where r.job = j.id)";
    assert_eq!(servers.number(rejections).await, 0, "failed rows without a rejection");
}

/// Every stored upload is as it was sent, and there are no others.
async fn check_uploads(trial: &Trial, servers: &Servers) {
    let stored = trial.site.stored_files();
    let kept: Vec<_> = trial.uploads.iter().filter(|upload| !upload.deleted).collect();
    for upload in &kept {
        let query = format!("select raw_key from jobs where id = {}", id_of(&upload.path));
        let key = servers.rows(&query).await[0][0].clone().unwrap();
        let path = stored.iter().find(|path| path.ends_with(&key)).unwrap_or_else(|| panic!("{key} is gone"));
        assert!(std::fs::read(path).unwrap() == upload.file.csv(), "{key} was altered");
    }
    assert!(trial.leftovers || stored.len() == kept.len(), "uploads that no job knows: {stored:?}");
}

async fn check_sessions(servers: &Servers) {
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
