//! Private functions for `tests/fuzz` and `tests/stages`, exported only with the feature `internals`.

use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use muster_domain::csv::BrokenLine;
use muster_domain::scanner::RecordError;
use muster_domain::{Dialect, Format, Handling, Header, Quotas, RowsStart, TenantId};
use muster_files::Archives;
use muster_http::ApiError;
use muster_ports::{CutRules, RawFile, RawStore, ShortRows};
use muster_runtime::Tasks;
use muster_telemetry::Counter;

use crate::split::cutter::{Cut, Cutter, Progress};
use crate::split::records::Layout;
use crate::upload;
use crate::upload::body::BodyReader;
use crate::upload::compression::decompress_head;
use crate::upload::context::UploadContext;
use crate::upload::headers::UploadHeaders;
use crate::upload::slots::Slots;
use muster_domain::Compression;

/// A batch that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Cut`")]
pub struct CutBatch {
    pub batch: u32,
    pub first_line: u64,
    pub first_row: u64,
    pub rows: u32,
    pub first_offset: u64,
    pub end_offset: u64,
    pub records: Vec<u8>,
    pub broken: Vec<BrokenLine>,
    pub starts_epoch: bool,
}

/// How far a text was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Progress`")]
pub struct CutProgress {
    pub batches: u32,
    pub rows: u64,
    pub end_offset: u64,
    pub blank_rows: u64,
}

/// Cuts the rows of a file that arrive in pieces, as the splitter does. The rows have no titles above them.
pub fn cut<'a>(
    rules: CutRules,
    header: &Header,
    handling: Handling,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<CutBatch>, CutProgress) {
    let start = RowsStart::default();
    let layout = Layout { dialect: Dialect::Spigit, format: Format::Csv, handling, header, start };
    let mut cutter = Cutter::new(rules, layout, 0);
    let mut cuts = Vec::new();
    let nothing: &[u8] = &[];
    for (piece, at_end) in pieces.into_iter().map(|piece| (piece, false)).chain([(nothing, true)]) {
        cut_piece(&mut cutter, piece, at_end, &mut cuts).expect("CSV text has no error that ends it");
    }
    cuts.extend(cutter.take_last());
    let batch = |c: Cut| CutBatch {
        batch: c.batch.0,
        first_line: c.first_line,
        first_row: c.first_row,
        rows: c.rows,
        first_offset: c.first_offset,
        end_offset: c.end_offset,
        records: c.records,
        broken: c.broken,
        starts_epoch: c.starts_epoch,
    };
    let Progress { batches, rows, end_offset, blank_rows, .. } = cutter.progress();
    (cuts.into_iter().map(batch).collect(), CutProgress { batches, rows, end_offset, blank_rows })
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
        declared_charset: None,
        own_titles: Arc::default(),
        idempotency: None,
        archives: Archives::new(raw.clone(), Tasks::new()),
        raw,
        sheet: None,
        max_bytes,
        quotas: Quotas::default(),
        cut: CutRules::default(),
        decoders: Slots::new(1, 1),
        stored_bytes: Counter::default(),
    };
    let stored = upload::store_body(&context, &headers, &mut BodyReader::new(body, &headers.digests)).await?;
    Ok((stored.raw, Header::from_titles(stored.opening.titles)))
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
