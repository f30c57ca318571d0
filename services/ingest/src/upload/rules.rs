//! What each dialect accepts as an upload, and what is checked before the upload becomes a job.

use muster_domain::scanner::RecordLimits;
use muster_domain::sniff;
use muster_domain::{Dialect, Format};

use super::error::UploadError;
use super::headers::UploadHeaders;
use super::inspect::head_text;

/// The rules of a dialect for uploads.
pub(crate) struct UploadRules {
    /// Reads from the headers what a body is, or refuses it.
    pub(super) body_kind: fn(&UploadHeaders) -> Result<BodyKind, UploadError>,
    /// Whether a declared charset other than UTF-8 is refused. Collaborator files may have other charsets, and some of
    /// their clients declare a wrong one.
    pub(super) requires_utf8: bool,
    /// Whether the whole text is inspected before the upload is accepted, which needs it decompressed; otherwise only
    /// its head is, and later errors are errors of its rows.
    pub(super) inspects_whole_text: bool,
    /// Checks the first bytes of a file and returns its column titles, if the dialect has any. `whole` says that they
    /// are all of it.
    pub(super) inspect_head: InspectHead,
}

/// See [`UploadRules::inspect_head`].
type InspectHead = fn(Format, &[u8], bool, RecordLimits) -> Result<Vec<String>, UploadError>;

/// What the body of a request is.
pub(super) enum BodyKind {
    /// A multipart envelope with the file in one of its parts.
    Multipart,
    /// The file itself.
    File(Format),
}

/// The rules of a dialect.
pub(crate) fn upload_rules(dialect: Dialect) -> UploadRules {
    match dialect {
        Dialect::Spigit => UploadRules {
            body_kind: spigit_body,
            requires_utf8: true,
            inspects_whole_text: false,
            inspect_head: |_, head, whole, limits| Ok(sniff::inspect_spigit(head, whole, limits)?.titles().to_vec()),
        },
        Dialect::Collaborator => UploadRules {
            body_kind: collaborator_body,
            requires_utf8: false,
            inspects_whole_text: true,
            inspect_head: inspect_collaborator_head,
        },
    }
}

fn spigit_body(headers: &UploadHeaders) -> Result<BodyKind, UploadError> {
    match headers.media_type.as_str() {
        "multipart/form-data" => Ok(BodyKind::Multipart),
        "text/csv" | "application/csv" if headers.declares_other_charset() => Err(UploadError::Charset),
        "text/csv" | "application/csv" => Ok(BodyKind::File(Format::Csv)),
        _ => Err(UploadError::ContentType),
    }
}

fn collaborator_body(headers: &UploadHeaders) -> Result<BodyKind, UploadError> {
    match headers.media_type.as_str() {
        "multipart/form-data" => Ok(BodyKind::Multipart),
        "text/csv" | "application/csv" => Ok(BodyKind::File(Format::Csv)),
        "application/json" => Ok(BodyKind::File(Format::Json)),
        _ => Err(UploadError::ContentTypeCollaborator),
    }
}

fn inspect_collaborator_head(
    format: Format,
    head: &[u8],
    whole: bool,
    _: RecordLimits,
) -> Result<Vec<String>, UploadError> {
    match format {
        Format::Csv => sniff::inspect_collaborator(head, &head_text(head), whole)?,
        // The whole text is inspected anyway.
        Format::Json => {}
    }
    Ok(Vec::new())
}
