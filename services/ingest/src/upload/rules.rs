//! What each dialect accepts as an upload, and what is checked before the upload becomes a job.

use std::borrow::Cow;

use muster_domain::charset::{CharsetCensus, FoundCharset, refuse_mostly_broken};
use muster_domain::scanner::RecordLimits;
use muster_domain::sniff::{Opening, Refusal, strip_bom};
use muster_domain::{Charset, CharsetSource, Dialect, Format, OwnTitles, collaborator, spigit};

use super::error::UploadError;
use super::headers::UploadHeaders;

/// The rules of a dialect for uploads.
pub(crate) struct UploadRules {
    /// Reads from the headers what a body is, or refuses it.
    pub(super) body_kind: fn(&UploadHeaders) -> Result<BodyKind, UploadError>,
    /// Whether the whole text is inspected before the upload is accepted, which needs it decompressed; otherwise only
    /// its head is, and later errors are errors of its rows.
    pub(super) inspects_whole_text: bool,
    /// Decides the charset of CSV text that neither its byte order mark nor its content nor a declaration tells, given
    /// what was counted and the first bytes. `whole` says that these are all of the file.
    pub(super) guess_charset: fn(&CharsetCensus, &[u8], bool) -> Result<FoundCharset, Refusal>,
    /// Finds the titles and the rows in the first text of a file, without its byte order mark. `whole` says that it is all
    /// of the file. The last argument are the titles of the tenant.
    pub(super) find_rows: fn(&[u8], bool, RecordLimits, &OwnTitles) -> Result<Opening, Refusal>,
}

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
            inspects_whole_text: false,
            guess_charset: |_, head, whole| {
                refuse_mostly_broken(head, spigit::DELIMITER, whole)?;
                Ok(FoundCharset { charset: Charset::UTF_8, source: CharsetSource::Content })
            },
            find_rows: spigit::find_rows,
        },
        Dialect::Collaborator => UploadRules {
            body_kind: collaborator_body,
            inspects_whole_text: true,
            guess_charset: |census, _, _| census.guess(),
            find_rows: collaborator::find_rows,
        },
    }
}

fn spigit_body(headers: &UploadHeaders) -> Result<BodyKind, UploadError> {
    match headers.media_type.as_str() {
        "multipart/form-data" => Ok(BodyKind::Multipart),
        _ if headers.is_file() || headers.is_json_lines() => Ok(BodyKind::File(headers.format())),
        _ => Err(UploadError::content_type(CONTENT_TYPES_SPIGIT, &headers.media_type)),
    }
}

/// What `Content-Type` may be, in a sentence.
const CONTENT_TYPES_SPIGIT: &str = "multipart/form-data with a part `file`, text/csv or application/x-ndjson";

fn collaborator_body(headers: &UploadHeaders) -> Result<BodyKind, UploadError> {
    match headers.media_type.as_str() {
        "multipart/form-data" => Ok(BodyKind::Multipart),
        _ if headers.is_file() || headers.is_json() || headers.is_json_lines() => Ok(BodyKind::File(headers.format())),
        // Each call has refused other types before, and named what it takes.
        _ => Err(UploadError::content_type(
            "multipart/form-data with a part `file`, or application/json",
            &headers.media_type,
        )),
    }
}

/// The first text of a file as UTF-8, without its byte order mark, as far as its first bytes determine it.
pub(super) fn decode_head(charset: Charset, head: &[u8], whole: bool) -> Cow<'_, [u8]> {
    if charset == Charset::UTF_8 {
        return Cow::Borrowed(strip_bom(head));
    }
    let mut decoder = charset.encoding().new_decoder_with_bom_removal();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(head.len()).unwrap_or(head.len() * 3));
    let (_, _, _) = decoder.decode_to_string(head, &mut text, whole);
    Cow::Owned(text.into_bytes())
}
