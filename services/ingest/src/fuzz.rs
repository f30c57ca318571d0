//! Doors for `tests/fuzz` and `tests/stages` to what is nobody else's business. They are part of every
//! build, so that a change which breaks them is noticed without building the fuzzers.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use muster_domain::record::RecordError;
use muster_domain::{Dialect, Format, Handling, Header, TenantId};
use muster_http::ApiError;
use muster_ports::{CutRules, RawFile, RawStore, ShortRows};
use muster_telemetry::Counter;

use crate::split::{Cut, Cutter, Layout, Progress};
use crate::upload::headers::Claims;
use crate::upload::{self, Encoding, Frames, Upload};

/// A batch as it was cut: batch, first line, rows, first and end offset, records, whether it begins an epoch.
pub type CutBatch = (u32, u64, u32, u64, u64, Vec<u8>, bool);

/// Cuts a text that comes in pieces, as the splitter does. Gives the batches, the number of batches
/// and rows, where the last record ends, and what ended the text early.
pub fn cut<'a>(
    rules: CutRules,
    header: &Header,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<CutBatch>, (u32, u64, u64), Option<RecordError>) {
    let layout = Layout { dialect: Dialect::Spigit, format: Format::Csv, header };
    let mut cutter = Cutter::new(rules, layout, 0);
    let mut cuts = Vec::new();
    let nothing: &[u8] = &[];
    let mut error = None;
    for (piece, at_end) in pieces.into_iter().map(|piece| (piece, false)).chain([(nothing, true)]) {
        error = cut_piece(&mut cutter, piece, at_end, &mut cuts).err();
        if error.is_some() {
            break;
        }
    }
    cuts.extend(cutter.last());
    let batch = |c: Cut| (c.batch.0, c.first_line, c.rows, c.first_offset, c.end_offset, c.records, c.begins_epoch);
    let Progress { batches, rows, end_offset } = cutter.progress();
    (cuts.into_iter().map(batch).collect(), (batches, rows, end_offset), error)
}

fn cut_piece(cutter: &mut Cutter, mut piece: &[u8], at_end: bool, cuts: &mut Vec<Cut>) -> Result<(), RecordError> {
    while let (Some(cut), used) = cutter.read(piece, at_end)? {
        piece = &piece[used..];
        cuts.push(cut);
    }
    Ok(())
}

/// Receives an upload into a raw store, without accepting it as a job.
pub async fn receive(
    raw: Arc<dyn RawStore>,
    max_bytes: u64,
    headers: &HeaderMap,
    body: Body,
) -> Result<(RawFile, Header), ApiError> {
    let claims = Claims::read(headers)?;
    let upload = Upload {
        tenant: TenantId(1),
        dialect: Dialect::Spigit,
        handling: Handling::Strict,
        blocks_missing: false,
        idempotency: None,
        raw,
        max_bytes,
        cut: CutRules::default(),
        bytes: Counter::default(),
    };
    let stored = upload::receive_body(&upload, &claims, &mut Frames::new(body, &claims.digests)).await?;
    Ok((stored.raw, Header::from_titles(stored.titles)))
}

/// The first bytes of a file, as far as they can be known from the first bytes of its body. Nothing if
/// they cannot be decompressed; `encoding` is that of `Content-Encoding`.
pub async fn decode_head(encoding: &str, head: &[u8], complete: bool) -> Option<Vec<u8>> {
    upload::decode_head(Encoding::parse(encoding)?, head, complete).await.ok()
}

/// What `Prefer` asks for.
pub fn handling(headers: &HeaderMap, pads: bool) -> Handling {
    upload::headers::handling(headers, if pads { ShortRows::Pad } else { ShortRows::Fail })
}
