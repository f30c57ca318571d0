//! The invariants of the final state, once every job is final.

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_domain::{Counts, JobId, JobState, RejectionCode, TenantId};
use muster_ports::{Counters, JobQuery, JobView, Queries, RejectionPage, UserKey, UserRecord};

use super::client::Client;
use super::files::KEEPER;
use super::site::Site;
use super::world::lock;
use model::{Model, User};

/// The jobs of a tenant, oldest first.
pub(crate) async fn jobs(site: &Site, tenant: TenantId) -> Vec<JobView> {
    let mut jobs = site.database.list_jobs(tenant, JobQuery { limit: 1000, ..JobQuery::default() }).await.unwrap();
    jobs.reverse();
    jobs
}

/// A job that the model also runs.
struct RanJob {
    /// The index of its file.
    file: usize,
    /// Its final state, or `None` if it was deleted.
    view: Option<JobView>,
}

/// Compares the jobs and users of a tenant with those of the model.
pub(crate) async fn check(site: &Arc<Site>, tenant: TenantId, client: &Client) -> Result<(), String> {
    let mut model = Model::default();
    for (job, ran) in jobs_with_files(site, tenant, client).await? {
        let file = &client.files[ran.file];
        let batches = site.truth.batches(job);
        // A canceled or deleted job may have applied only some of its batches, and one that gave up the first ones.
        let gave_up = ran.view.as_ref().is_some_and(gave_up);
        let is_complete = ran.view.as_ref().is_some_and(|view| view.state != JobState::Canceled) && !gave_up;
        let result = if is_complete || site.truth.is_finished(job) {
            model.run(file, |row| {
                let holds = |(first, end): (u64, u64)| (first..end).contains(&row.offset);
                is_complete || batches.values().any(|batch| holds((batch.first_offset, batch.end_offset)))
            })
        } else {
            let mut batches: Vec<_> = batches.values().collect();
            batches.sort_unstable_by_key(|batch| batch.order);
            let ranges: Vec<_> = batches.iter().map(|batch| (batch.first_offset, batch.end_offset)).collect();
            model.run_canceled(file, &ranges)
        };
        if let Some(view) = ran.view {
            let wanted = match (is_complete, gave_up) {
                (true, _) => result.state(),
                (false, true) => "FAILED",
                (false, false) => "CANCELED",
            };
            check_job(site, tenant, &view, wanted, &result).await?;
            let file_error = view.file_error.as_ref().map(|error| error.line);
            if gave_up {
                let end = batches.values().map(|batch| batch.end_offset).max().unwrap_or_default();
                let next = file.rows.iter().find(|row| row.offset >= end).map(|row| row.line);
                // Rows that wait count as failed until they are decided, so fewer rows may have failed in the end.
                if file_error != next {
                    return Err(format!("job {job} gives up at line {file_error:?}, expected {next:?}"));
                }
            }
            if is_complete && file_error.is_some() {
                return Err(format!("job {job} ends at line {file_error:?}, expected its last line"));
            }
        }
    }
    check_users(site, tenant, &model).await
}

/// Whether the job ended early because too many rows failed.
fn gave_up(view: &JobView) -> bool {
    view.file_error.as_ref().is_some_and(|error| error.code == RejectionCode::TooManyErrors)
}

/// The jobs of a tenant, including deleted ones, with their files. Fails if a job is missing or unexpectedly
/// canceled.
async fn jobs_with_files(site: &Arc<Site>, tenant: TenantId, client: &Client) -> Result<BTreeMap<i64, RanJob>, String> {
    let mut ran = BTreeMap::new();
    for view in jobs(site, tenant).await {
        let bytes = view.plain_bytes.unwrap_or_default();
        let file = client.files.iter().position(|file| file.text.len() as u64 == bytes);
        let file = file.ok_or_else(|| format!("no client uploaded a file of the size of job {}", view.id))?;
        ran.insert(view.id.0, RanJob { file, view: Some(view) });
    }
    let history = lock(&client.history);
    for (job, file) in &history.accepted {
        if !ran.contains_key(job) && !history.deleted.contains(job) {
            return Err(format!("job {job} was accepted, but does not exist"));
        }
        ran.entry(*job).or_insert(RanJob { file: *file, view: None });
    }
    for (job, ran) in &ran {
        let state = ran.view.as_ref().map(|view| view.state);
        if state == Some(JobState::Canceled) && !history.canceled.contains(job) {
            return Err(format!("job {job} is canceled, but no client requested it"));
        }
    }
    Ok(ran)
}

async fn check_job(
    site: &Arc<Site>,
    tenant: TenantId,
    view: &JobView,
    state: &str,
    expected: &model::JobResult,
) -> Result<(), String> {
    let job = view.id;
    let counts = view.final_counts.unwrap_or_default();
    let wanted = Counts {
        created: expected.created,
        updated: expected.updated,
        unchanged: expected.unchanged,
        failed: expected.rejections.len() as u64,
        warnings: expected.warnings,
        ..Counts::default()
    };
    if (view.state.as_str(), counts) != (state, wanted) {
        return Err(format!("job {job} is {:?} with {counts:?}, expected {state} with {wanted:?}", view.state));
    }
    let rejections =
        site.database.list_rejections(tenant, job, RejectionPage { after_line: 0, limit: 1000 }).await.unwrap();
    // Which of several taken values is named may depend on the order of decisions.
    let code = |code: RejectionCode| match code {
        RejectionCode::ConflictEmail | RejectionCode::ConflictLogin => model::CONFLICT,
        other => other.as_str(),
    };
    let found: Vec<_> = rejections.iter().map(|rejection| (rejection.line, code(rejection.code))).collect();
    if found != expected.rejections {
        return Err(format!("job {job} rejects {found:?}, expected {:?}", expected.rejections));
    }
    if state != "CANCELED" && view.total_rows != Some(expected.rows()) {
        return Err(format!("job {job} has {:?} rows, expected {}", view.total_rows, expected.rows()));
    }
    check_ledger(site, view, counts).await
}

/// Checks that the ledger has no gap and has the counts of the job, and that complete counters equal it.
async fn check_ledger(site: &Arc<Site>, view: &JobView, counts: Counts) -> Result<(), String> {
    let job = view.id;
    let totals = site.database.ledger_totals(job).await.unwrap();
    let (batches, sums) = site.truth.sums(job.0);
    // Waiting rows are decided in an extra batch at the end, which no worker applies.
    let decided = totals.batches == batches + 1;
    let is_right = if decided { sums.rows() < counts.rows() } else { totals.batches == batches && sums == counts };
    if !is_right || totals.counts != counts {
        return Err(format!("job {job} has the counts {counts:?}, its ledger {totals:?}, its commits {sums:?}"));
    }
    if view.state != JobState::Canceled {
        let mut end = 0;
        for (expected, (number, batch)) in (1..).zip(site.truth.batches(job.0)) {
            if number != expected || batch.first_offset != end {
                return Err(format!("the ledger of job {job} has a gap before batch {number}"));
            }
            end = batch.end_offset;
        }
    }
    match site.counters.current().read(JobId(job.0)).await.unwrap() {
        Some(shown) if shown.batches == batches && shown.counts != sums => {
            Err(format!("the counters of job {job} show {shown:?}, the ledger has {totals:?}"))
        }
        _ => Ok(()),
    }
}

async fn check_users(site: &Arc<Site>, tenant: TenantId, model: &Model) -> Result<(), String> {
    let names = (0..20).flat_map(|number| [format!("user{number}"), format!("user{number}.b")]);
    for name in names.chain([KEEPER.to_owned(), "x\"y".to_owned()]) {
        let found =
            site.database.find_user(tenant, UserKey::Username(name.clone())).await.unwrap().map(|found| user(&found));
        let expected = model.users.values().find(|user| user.columns["username"].to_lowercase() == name);
        if found.as_ref() != expected {
            return Err(format!("{name} of tenant {tenant} is {found:#?}, expected {expected:#?}"));
        }
    }
    Ok(())
}

fn user(record: &UserRecord) -> User {
    let attributes: BTreeMap<String, String> =
        record.attributes.as_deref().map(|json| serde_json::from_str(json).unwrap()).unwrap_or_default();
    let name = |title: String| ["badge", "desk"].into_iter().find(|known| *known == title).unwrap_or("unknown");
    User {
        columns: record.values.clone(),
        attributes: attributes.into_iter().map(|(title, value)| (name(title), value)).collect(),
    }
}
