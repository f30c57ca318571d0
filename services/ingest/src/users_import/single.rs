//! The one object of `/single`.

use bytes::Bytes;
use futures_util::StreamExt;
use muster_domain::RejectionCode;
use muster_domain::collaborator::REQUIRED_KEYS;
use muster_domain::record::RecordError;
use muster_domain::sniff::Refusal;
use serde_json::{Map, Value};

use super::Refused;
use crate::upload::headers::Claims;
use crate::upload::{Frames, UploadError, unpacked};

/// Bytes of the object at most.
const MAX_BYTES: usize = 256 * 1024;

/// Reads the object and checks that it has what the vendor's page calls required.
pub(super) async fn read(claims: &Claims, frames: &mut Frames) -> Result<Bytes, Refused> {
    let text = read_text(claims, frames).await?;
    let value: Value = serde_json::from_slice(&text).map_err(|_| malformed("the body is not valid JSON"))?;
    let object = value.as_object().ok_or_else(|| malformed("the body is not a JSON object"))?;
    let missing: Map<String, Value> = REQUIRED_KEYS
        .into_iter()
        .filter(|key| is_missing(object.get(*key)))
        .map(|key| (key.to_owned(), format!("\"{key}\" is required").into()))
        .collect();
    if missing.is_empty() { Ok(text) } else { Err(Refused::Values(missing)) }
}

async fn read_text(claims: &Claims, frames: &mut Frames) -> Result<Bytes, UploadError> {
    let mut text = Vec::new();
    let mut pieces = unpacked(claims.encoding, frames);
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece?);
        if text.len() > MAX_BYTES {
            return Err(UploadError::TooLarge(MAX_BYTES as u64));
        }
    }
    drop(pieces);
    frames.check_digests()?;
    Ok(text.into())
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
