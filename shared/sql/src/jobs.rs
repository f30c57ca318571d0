//! Jobs, splits and rules as they are stored.

use muster_domain::decision::SplitSummary;
use muster_domain::hand_over::NumberedRow;
use muster_domain::{
    Charset, CharsetSource, Compression, Dialect, Format, Handling, Header, JobId, JobState, Rejection, TenantId,
    collaborator, spigit,
};
use muster_ports::{
    CutRules, JobRules, JobView, Lease, RawFile, RunningJob, SplitJob, UnknownName, UnknownNames, UploadPosition,
    UploadToRemove,
};

use crate::ledger;
use crate::rejections;
use crate::row::{SqlRow, Unreadable};

/// A row of `find_job.sql` or `list_jobs.sql`.
pub fn job_view(row: &impl SqlRow) -> Result<JobView, Unreadable> {
    let state = job_state(row, "state")?;
    let file_error = match (row.optional_count("file_error_line")?, row.optional_text("file_error_message")?) {
        (Some(line), Some(message)) => {
            Some(Rejection::new(line, None, rejections::code(row, "file_error_code")?, message))
        }
        _ => None,
    };
    // The counts of a job are written once, when it becomes final.
    let is_counted = row.optional_number("created")?.is_some();
    Ok(JobView {
        id: JobId(row.number("id")?),
        state,
        plain_bytes: row.optional_count("plain_bytes")?,
        total_bytes: row.optional_count("total_bytes")?,
        applied_bytes: row.optional_count("applied_bytes")?,
        total_rows: row.optional_count("total_rows")?,
        blank_rows: row.optional_count("blank_rows")?,
        skipped_lines: row.optional_count("skipped_lines")?,
        charset: charset(row)?,
        charset_source: charset_source(row)?,
        sheet: row.optional_text("raw_sheet")?,
        unknown_names: unknown_names(row)?,
        file_error,
        final_counts: is_counted.then(|| ledger::counts(row)).transpose()?,
        created_ms: row.number("created_ms")?,
        started_ms: row.optional_number("started_ms")?,
        finished_ms: row.optional_number("finished_ms")?,
        now_ms: row.number("now_ms")?,
        waiting_rows: row.count("waiting_rows")?,
        missing_not_blocked: row.optional_count("missing_kept")?,
        rejections_removed: row.boolean("reports_removed")?,
    })
}

/// A column that holds the state of a job.
pub fn job_state(row: &impl SqlRow, column: &'static str) -> Result<JobState, Unreadable> {
    JobState::parse(&row.text(column)?).ok_or(Unreadable("the state of a job"))
}

/// The row of `job_rules.sql`.
pub fn job_rules(row: &impl SqlRow) -> Result<JobRules, Unreadable> {
    Ok(JobRules {
        tenant: TenantId(row.number("tenant")?),
        dialect: dialect(row)?,
        handling: handling(row)?,
        format: format(row)?,
        titles: titles(row)?,
        record: cut_rules(row)?.record,
        blocks_missing_users: row.boolean("blocks_missing")?,
    })
}

/// The row of `lease_split.sql`.
pub fn split_job(job: JobId, row: &impl SqlRow) -> Result<SplitJob, Unreadable> {
    let sha256 = row.bytes("raw_sha256")?.try_into().map_err(|_| Unreadable("the hash of an upload"))?;
    let stalls = u32::try_from(row.count("stalls")?).map_err(|_| Unreadable("stalls"))?;
    Ok(SplitJob {
        lease: Lease { job, fence: row.number("lease_fence")? },
        leased_ms: row.number("leased_ms")?,
        dialect: dialect(row)?,
        handling: handling(row)?,
        raw: RawFile {
            key: row.text("raw_key")?,
            bytes: row.count("raw_bytes")?,
            sha256,
            compression: Compression::parse_stored(&row.text("raw_encoding")?)
                .ok_or(Unreadable("the compression of an upload"))?,
            format: format(row)?,
            charset: charset(row)?,
            charset_source: charset_source(row)?,
            sheet: row.optional_text("raw_sheet")?,
        },
        titles: titles(row)?,
        cut: cut_rules(row)?,
        stall_timeout: SplitJob::stall_timeout_after(stalls),
    })
}

/// The row of `find_complete_job.sql`: the tenant of a job, and a summary of its split.
pub fn split_summary(row: &impl SqlRow) -> Result<(TenantId, SplitSummary), Unreadable> {
    let summary = SplitSummary {
        batches: row.count("total_batches")?,
        bytes: row.count("total_bytes")?,
        ends_early: row.boolean("is_unreadable")?,
        blocks_missing_users: row.boolean("blocks_missing")?,
        waiting_rows: row.count("waiting_rows")?,
        missing_users_are_decided: row.boolean("missing_users_are_decided")?,
        dialect: dialect(row)?,
    };
    Ok((TenantId(row.number("tenant")?), summary))
}

/// A row of `uploads_to_remove.sql`.
pub fn upload_to_remove(row: &impl SqlRow) -> Result<UploadToRemove, Unreadable> {
    let job = row.number("id")?;
    let position = UploadPosition { finished_us: row.number("finished_us")?, job };
    Ok(UploadToRemove { job: JobId(job), raw_key: row.text("raw_key")?, position })
}

/// A row of `running_jobs.sql`.
pub fn running_job(row: &impl SqlRow) -> Result<RunningJob, Unreadable> {
    Ok(RunningJob {
        job: JobId(row.number("id")?),
        applied: row.count("applied")?,
        total_batches: row.optional_count("total_batches")?,
        split_ms: row.optional_number("split_ms")?,
        is_overdue: row.boolean("is_overdue")?,
    })
}

/// The row of `find_stopped_job.sql`.
#[derive(Clone, Copy, Debug)]
pub struct StoppedJob {
    /// Whether the job ends because its file is unreadable; if not, it was canceled.
    pub is_unreadable: bool,
    /// The dialect of the file.
    pub dialect: Dialect,
    /// The number of the last applied batch.
    pub last_batch: u64,
    /// Where in the decoded file the last applied batch ends.
    pub end_offset: u64,
    /// Whether rows wait.
    pub has_waiting: bool,
}

/// The row of `find_stopped_job.sql`.
pub fn stopped_job(row: &impl SqlRow) -> Result<StoppedJob, Unreadable> {
    Ok(StoppedJob {
        is_unreadable: row.boolean("is_unreadable")?,
        dialect: dialect(row)?,
        last_batch: row.count("last_batch")?,
        end_offset: row.count("end_offset")?,
        has_waiting: row.boolean("has_waiting")?,
    })
}

/// A row of `number_waiting.sql`.
pub fn numbered_row(row: &impl SqlRow) -> Result<NumberedRow, Unreadable> {
    Ok(NumberedRow {
        line: row.count("line")?,
        is_complete: row.boolean("is_complete")?,
        key: row.count("key_number")?,
        email: row.optional_count("email_number")?,
        login: row.optional_count("login_number")?,
        user_id: row.optional_number("user_id")?,
        email_holder: row.optional_number("email_holder")?,
        login_holder: row.optional_number("login_holder")?,
        is_adoptable: row.boolean("is_adoptable")?,
    })
}

/// The stored form of the titles of a file.
pub fn titles_json(titles: &[String]) -> String {
    serde_json::Value::from(titles).to_string()
}

/// The stored form of the rules by which a file is cut.
pub fn cut_rules_json(rules: &CutRules) -> String {
    serde_json::to_string(rules).expect("the rules are numbers with names")
}

fn dialect(row: &impl SqlRow) -> Result<Dialect, Unreadable> {
    Dialect::parse(&row.text("dialect")?).ok_or(Unreadable("the dialect of a job"))
}

fn handling(row: &impl SqlRow) -> Result<Handling, Unreadable> {
    Handling::parse(&row.text("handling")?).ok_or(Unreadable("the handling of a job"))
}

fn charset(row: &impl SqlRow) -> Result<Charset, Unreadable> {
    Charset::parse(&row.text("raw_charset")?).ok_or(Unreadable("the charset of an upload"))
}

fn charset_source(row: &impl SqlRow) -> Result<Option<CharsetSource>, Unreadable> {
    let source = row.optional_text("raw_charset_source")?;
    source.map(|text| CharsetSource::parse(&text).ok_or(Unreadable("the source of a charset"))).transpose()
}

/// The names in a file that Muster does not know: titles of a Spigit file, keys of JSON objects.
fn unknown_names(row: &impl SqlRow) -> Result<UnknownNames, Unreadable> {
    let keys: Vec<String> =
        serde_json::from_str(&row.text("ignored_keys")?).map_err(|_| Unreadable("the ignored keys of a job"))?;
    match dialect(row)? {
        Dialect::Spigit => {
            let header = Header::from_titles(titles(row)?);
            let titles = header.attributes().map(|(name, meant)| (name.to_owned(), meant));
            let keys = keys.into_iter().map(|key| (key.clone(), spigit::similar_title(&key)));
            let unknown = |(name, did_you_mean)| UnknownName { name, did_you_mean };
            Ok(UnknownNames { kept_as_attributes: titles.chain(keys).map(unknown).collect(), ignored: Vec::new() })
        }
        Dialect::Collaborator => {
            let unknown = |name: String| UnknownName { did_you_mean: collaborator::similar_key(&name), name };
            Ok(UnknownNames { kept_as_attributes: Vec::new(), ignored: keys.into_iter().map(unknown).collect() })
        }
    }
}

fn format(row: &impl SqlRow) -> Result<Format, Unreadable> {
    Format::parse(&row.text("raw_format")?).ok_or(Unreadable("the format of an upload"))
}

fn titles(row: &impl SqlRow) -> Result<Vec<String>, Unreadable> {
    serde_json::from_str(&row.text("titles")?).map_err(|_| Unreadable("the titles of a job"))
}

fn cut_rules(row: &impl SqlRow) -> Result<CutRules, Unreadable> {
    serde_json::from_str(&row.text("cut")?).map_err(|_| Unreadable("the cut rules of a job"))
}
