//! The object of `/single`.

use bytes::Bytes;
use futures_util::StreamExt;
use muster_domain::collaborator::REQUIRED_KEYS;
use muster_domain::scanner::RecordError;
use muster_domain::sniff::Refusal;
use muster_domain::{Charset, RejectionCode};
use serde_json::{Map, Value};

use super::errors::ImportError;
use crate::upload::body::BodyReader;
use crate::upload::error::UploadError;
use crate::upload::headers::UploadHeaders;

/// The maximum size of the decompressed object.
const MAX_OBJECT_BYTES: usize = 256 * 1024;

/// Reads the object and checks that it has every value that the vendor's documentation calls required.
pub(super) async fn read_object(headers: &UploadHeaders, body: &mut BodyReader) -> Result<Bytes, ImportError> {
    let text = read_text(headers, body).await?;
    let value: Value = serde_json::from_slice(&text).map_err(|_| malformed("the body is not valid JSON"))?;
    let object = value.as_object().ok_or_else(|| malformed("the body is not a JSON object"))?;
    let missing: Map<String, Value> = REQUIRED_KEYS
        .into_iter()
        .filter(|key| is_missing(object.get(*key)))
        .map(|key| (key.to_owned(), format!("\"{key}\" is required").into()))
        .collect();
    if missing.is_empty() { Ok(text) } else { Err(ImportError::Values(missing)) }
}

async fn read_text(headers: &UploadHeaders, body: &mut BodyReader) -> Result<Bytes, UploadError> {
    let mut text = Vec::new();
    let mut pieces = body.decompressed_pieces(headers.compression);
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece?);
        if text.len() > MAX_OBJECT_BYTES {
            return Err(UploadError::TooLarge(MAX_OBJECT_BYTES as u64));
        }
    }
    drop(pieces);
    body.check_digests()?;
    // A byte order mark, as PowerShell writes it, tells the charset.
    Ok(match Charset::of_mark(&text) {
        Some(charset) => charset.encoding().decode_with_bom_removal(&text).0.into_owned().into(),
        None => text.into(),
    })
}

fn is_missing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    }
}

fn malformed(problem: &str) -> UploadError {
    Refusal::Json(RecordError { line: 1, code: RejectionCode::JsonInvalid, problem: problem.to_owned() }).into()
}
