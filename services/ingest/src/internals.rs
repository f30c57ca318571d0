//! Private functions for `tests/fuzz` and `tests/stages`, exported only with the feature `internals`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use muster_domain::scanner::RecordError;
use muster_domain::{Dialect, Format, Handling, Header, Quotas, TenantId};
use muster_http::ApiError;
use muster_ports::{CutRules, RawFile, RawStore, ShortRows};
use muster_telemetry::Counter;

use crate::split::cutter::{Cut, Cutter, Progress};
use crate::split::records::Layout;
use crate::upload;
use crate::upload::body::BodyReader;
use crate::upload::compression::decompress_head;
use crate::upload::context::UploadContext;
use crate::upload::headers::UploadHeaders;
use muster_domain::Compression;

/// A batch: number, first line, rows, first and end offset, records, whether it starts an epoch.
pub type CutBatch = (u32, u64, u32, u64, u64, Vec<u8>, bool);

/// Cuts a text that arrives in pieces, as the splitter does. Returns the batches; the number of batches, the number of
/// rows and the end of the last record; and the error that ended the text early, if any.
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
    cuts.extend(cutter.take_last());
    let batch = |c: Cut| (c.batch.0, c.first_line, c.rows, c.first_offset, c.end_offset, c.records, c.starts_epoch);
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

/// Receives an upload into a raw store, without creating a job.
pub async fn receive(
    raw: Arc<dyn RawStore>,
    max_bytes: u64,
    headers: &HeaderMap,
    body: Body,
) -> Result<(RawFile, Header), ApiError> {
    let headers = UploadHeaders::parse(headers)?;
    let context = UploadContext {
        tenant: TenantId(1),
        dialect: Dialect::Spigit,
        handling: Handling::Strict,
        blocks_missing_users: false,
        idempotency: None,
        raw,
        max_bytes,
        quotas: Quotas::default(),
        cut: CutRules::default(),
        stored_bytes: Counter::default(),
    };
    let stored = upload::store_body(&context, &headers, &mut BodyReader::new(body, &headers.digests)).await?;
    Ok((stored.raw, Header::from_titles(stored.titles)))
}

/// Returns the first bytes of a file, as far as the first bytes of its body determine them; `None` if they cannot be
/// decompressed. `encoding` is a value of `Content-Encoding`.
pub async fn decode_head(encoding: &str, head: &[u8], complete: bool) -> Option<Vec<u8>> {
    decompress_head(Compression::parse(encoding)?, head, complete).await.ok()
}

/// Returns the handling that the header `Prefer` asks for.
pub fn handling(headers: &HeaderMap, pads: bool) -> Handling {
    upload::headers::handling(headers, if pads { ShortRows::Pad } else { ShortRows::Fail })
}
