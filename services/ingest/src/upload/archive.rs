//! Inspects an upload that is an archive, when it is stored: its directory is at its end.

use muster_domain::charset::FoundCharset;
use muster_domain::sniff::HEAD_BYTES;
use muster_domain::{Charset, CharsetSource, Format, delimiter};
use muster_files::{ArchiveContent, TextStream};

use super::context::UploadContext;
use super::error::UploadError;
use super::inspect::{Inspected, Inspector};

/// The first bytes of a ZIP archive with files, and of one without.
const MAGIC: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// What was found out about an archive.
pub(super) struct InspectedArchive {
    pub(super) format: Format,
    /// The sheet of a workbook.
    pub(super) sheet: Option<String>,
    pub(super) inspected: Inspected,
}

/// Whether a file with these first bytes is an archive.
pub(super) fn is_archive(head: &[u8]) -> bool {
    MAGIC.iter().any(|magic| head.starts_with(magic))
}

/// Inspects a stored archive of this size.
pub(super) async fn inspect_archive(
    context: &UploadContext,
    inspector: Inspector,
    key: &str,
    bytes: u64,
) -> Result<InspectedArchive, UploadError> {
    let separator = delimiter(context.dialect);
    match context.archives.inspect(key, bytes, context.sheet.clone(), separator).await? {
        ArchiveContent::Workbook(head) => {
            let find_rows = context.rules().find_rows;
            let opening = find_rows(&head.text, head.is_whole, context.cut.record, &context.own_titles)?;
            let charset = FoundCharset { charset: Charset::UTF_8, source: CharsetSource::Content };
            let inspected = Inspected { charset, opening, ignored_keys: Vec::new() };
            Ok(InspectedArchive { format: Format::Workbook, sheet: Some(head.name), inspected })
        }
        ArchiveContent::File if context.sheet.is_some() => Err(UploadError::SheetUnexpected),
        ArchiveContent::File => {
            let file = context.archives.read_file(key, bytes);
            let inspected = inspect_file(context, inspector.of_content(), file).await?;
            Ok(InspectedArchive { format: Format::Csv, sheet: None, inspected })
        }
    }
}

/// Inspects the file in an archive: its first bytes, or all of it if the dialect needs them.
async fn inspect_file(
    context: &UploadContext,
    mut inspector: Inspector,
    mut file: TextStream,
) -> Result<Inspected, UploadError> {
    let inspects_whole_text = context.rules().inspects_whole_text;
    let (mut head, mut bytes) = (Vec::new(), 0);
    let mut is_started = false;
    loop {
        let piece = file.next().await?;
        bytes += piece.len() as u64;
        if bytes > context.max_bytes {
            return Err(UploadError::TooLarge(context.max_bytes));
        }
        if inspects_whole_text {
            inspector.push(&piece)?;
        }
        if !is_started {
            head.extend_from_slice(&piece);
            let is_whole = piece.is_empty();
            if is_whole || head.len() >= HEAD_BYTES {
                inspector.start(context, &head, is_whole)?;
                is_started = true;
            }
        }
        if piece.is_empty() || (is_started && !inspects_whole_text) {
            return Ok(inspector.finish(context)?);
        }
    }
}
