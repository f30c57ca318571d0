//! Renders the status of one job as JSON.

use muster_domain::job::{MAX_LISTED_REJECTIONS, error_message, error_message_of_canceled, error_message_without_rows};
use muster_domain::{CharsetSource, JobState, TenantId};
use muster_http::ApiError;
use muster_ports::{JobView, RejectionPage, UnknownName};
use serde_json::{Value, json};

use crate::Status;
use crate::progress::{Progress, Source};

/// Renders a job: the five keys of the vendor's API first, then Muster's own. Also returns where its progress was read
/// from. `base` is the URL that links start with.
pub(crate) async fn render(
    status: &Status,
    tenant: TenantId,
    job: &JobView,
    base: &str,
) -> Result<(Value, Source), ApiError> {
    let (view, source) = status.progress.read(job).await?;
    let progress = Progress::new(job, &view);
    let counts = progress.counts;
    let rejections = if counts.failed > 0 && !job.rejections_removed {
        let limit = u32::try_from(MAX_LISTED_REJECTIONS).unwrap_or(u32::MAX);
        status.store.list_rejections(tenant, job.id, RejectionPage { after_line: 0, limit }).await?
    } else {
        Vec::new()
    };
    let message = if job.state == JobState::Canceled {
        error_message_of_canceled(&rejections, counts)
    } else if job.rejections_removed {
        error_message_without_rows(job.file_error.as_ref(), counts.failed)
    } else {
        error_message(job.file_error.as_ref(), &rejections, counts.failed)
    };
    let body = json!({
        "total_users": progress.total,
        "failed_users": counts.failed,
        "created_users": counts.created,
        "status": job.state.as_str(),
        "error_message": message,
        "id": job.id,
        "updated_users": counts.updated,
        "unchanged_users": counts.unchanged,
        "processed_users": counts.rows(),
        "warnings": counts.warnings,
        "blocked_users": counts.blocked,
        "unblocked_users": counts.unblocked,
        "blank_rows": job.blank_rows,
        "skipped_lines": job.skipped_lines,
        "charset": job.charset.as_str(),
        "charset_source": job.charset_source.map(CharsetSource::as_str),
        "sheet": job.sheet,
        "kept_as_attributes": named(&job.unknown_names.kept_as_attributes, "title"),
        "ignored": named(&job.unknown_names.ignored, "key"),
        "waiting_users": job.waiting_rows,
        "missing_users_kept": job.missing_not_blocked,
        "percent": progress.percent,
        "rows_per_second": progress.rows_per_second,
        "eta_seconds": progress.eta_seconds,
        "created_at": rfc3339(job.created_ms),
        "started_at": job.started_ms.and_then(rfc3339),
        "finished_at": job.finished_ms.and_then(rfc3339),
        "errors_url": format!("{base}/bulk/v1/files/{}/errors", job.id),
    });
    Ok((body, source))
}

/// Names in the file that Muster does not know, each with what may have been meant.
fn named(names: &[UnknownName], key: &str) -> Value {
    names.iter().map(|unknown| json!({ key: unknown.name, "did_you_mean": unknown.did_you_mean })).collect()
}

/// Formats milliseconds since 1970 UTC as RFC 3339. Returns `None` if they are out of range.
pub(crate) fn rfc3339(milliseconds: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(milliseconds).ok().map(|time| time.to_string())
}
