//! Takes the bytes of a file: inspects its head, then stores, hashes and counts them as they arrive.

use bytes::Bytes;
use muster_domain::charset::FoundCharset;
use muster_domain::sniff::{HEAD_BYTES, Opening};
use muster_domain::{Charset, CharsetSource, Compression, Format};
use muster_ports::{PACKED_KEY_SUFFIX, RawFile, RawUpload};
use sha2::{Digest, Sha256};

use super::archive::{inspect_archive, is_archive};
use super::compression::decompress_head;
use super::context::UploadContext;
use super::error::UploadError;
use super::inspect::{Inspected, Inspector};

/// A stored file, ready to become a job.
pub(crate) struct StoredFile {
    pub(crate) raw: RawFile,
    /// The titles, and where the rows start.
    pub(crate) opening: Opening,
    /// Keys of JSON objects that Muster does not know.
    pub(crate) ignored_keys: Vec<String>,
}

/// A file while it is received.
pub(crate) struct Intake<'a> {
    context: &'a UploadContext,
    format: Format,
    /// The compression of the bytes.
    compression: Compression,
    /// Whether the bytes are an archive, which is inspected when it is stored.
    is_archive: bool,
    inspector: Inspector,
    key: String,
    /// The first bytes, until they have been inspected.
    head: Vec<u8>,
    /// `None` until the head has been inspected.
    writing: Option<Box<dyn RawUpload>>,
    hash: Sha256,
    bytes: u64,
}

impl<'a> Intake<'a> {
    /// `compression` is that of the bytes. `packs` says that the body was compressed and the bytes are not any more: they
    /// are stored packed, so that an upload takes up no more space than it did on the way.
    pub(crate) fn new(context: &'a UploadContext, format: Format, compression: Compression, packs: bool) -> Self {
        // Server-generated: no client input becomes part of a path.
        let suffix = if packs { PACKED_KEY_SUFFIX } else { "" };
        let key = format!("{}/{:032x}{suffix}", context.tenant, rand::random::<u128>());
        Self {
            context,
            format,
            compression,
            is_archive: false,
            inspector: Inspector::new(context, format),
            key,
            head: Vec::new(),
            writing: None,
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Sets the charset that the part of the file declares.
    pub(super) fn declare_charset(&mut self, charset: Option<Charset>) {
        if let Some(charset) = charset {
            self.inspector.declare_charset(FoundCharset { charset, source: CharsetSource::Header });
        }
    }

    /// Takes the next piece of the file.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<(), UploadError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.context.max_bytes {
            return Err(UploadError::TooLarge(self.context.max_bytes));
        }
        self.hash.update(&piece);
        if self.context.rules().inspects_whole_text && !self.is_archive {
            self.inspector.push(&piece)?;
        }
        if let Some(writing) = &mut self.writing {
            return Ok(writing.write(piece).await?);
        }
        self.head.extend_from_slice(&piece);
        if self.head.len() >= HEAD_BYTES { self.start_writing(false).await } else { Ok(()) }
    }

    /// Makes the file durable if it was received completely; otherwise keeps nothing of it.
    pub(crate) async fn conclude(self, received: Result<(), UploadError>) -> Result<StoredFile, UploadError> {
        match received {
            Ok(()) => self.finish().await,
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn finish(mut self) -> Result<StoredFile, UploadError> {
        if self.writing.is_none() {
            self.start_writing(true).await?;
        }
        let Some(writing) = self.writing else { return Err(UploadError::Truncated) };
        if self.is_archive {
            writing.finish().await?;
            let inspected = inspect_archive(self.context, self.inspector, &self.key, self.bytes).await;
            let inspected = match inspected {
                Ok(inspected) => inspected,
                Err(error) => {
                    if let Err(error) = self.context.raw.delete(&self.key).await {
                        tracing::warn!(%error, "could not remove a refused upload; a sweep will");
                    }
                    return Err(error);
                }
            };
            let raw = RawInfo { key: self.key, bytes: self.bytes, hash: self.hash };
            return Ok(raw.stored(inspected.format, Compression::Zip, inspected.sheet, inspected.inspected));
        }
        if self.context.sheet.is_some() {
            writing.abort().await;
            return Err(UploadError::SheetUnexpected);
        }
        let inspected = match self.inspector.finish(self.context) {
            Ok(inspected) => inspected,
            Err(refusal) => {
                writing.abort().await;
                return Err(refusal.into());
            }
        };
        writing.finish().await?;
        let raw = RawInfo { key: self.key, bytes: self.bytes, hash: self.hash };
        Ok(raw.stored(self.format, self.compression, None, inspected))
    }

    async fn abort(self) {
        if let Some(writing) = self.writing {
            writing.abort().await;
        }
    }

    /// Inspects the head and writes it. `complete` says that the file has no more bytes.
    async fn start_writing(&mut self, complete: bool) -> Result<(), UploadError> {
        let head = decompress_head(self.compression, &self.head, complete).await?;
        let whole = complete && head.len() < HEAD_BYTES;
        if self.format == Format::Csv && is_archive(&head) {
            if let Some(compression) = self.outer_compression() {
                return Err(UploadError::ArchiveCompressed(compression));
            }
            self.is_archive = true;
        } else {
            self.inspector.start(self.context, &head, whole)?;
        }
        let mut raw = self.context.raw.begin(&self.key).await?;
        let written = raw.write(std::mem::take(&mut self.head).into()).await;
        self.writing = Some(raw);
        Ok(written?)
    }

    /// The compression around the file, as the client sent it.
    fn outer_compression(&self) -> Option<&'static str> {
        match self.compression {
            Compression::Identity if self.key.ends_with(PACKED_KEY_SUFFIX) => Some("gzip or zstd"),
            Compression::Identity => None,
            compression => Some(compression.as_str()),
        }
    }
}

/// What is known of stored bytes, whatever they hold.
struct RawInfo {
    key: String,
    bytes: u64,
    hash: Sha256,
}

impl RawInfo {
    fn stored(
        self,
        format: Format,
        compression: Compression,
        sheet: Option<String>,
        inspected: Inspected,
    ) -> StoredFile {
        let Inspected { charset, opening, ignored_keys } = inspected;
        let raw = RawFile {
            key: self.key,
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
            compression,
            format,
            charset: charset.charset,
            charset_source: Some(charset.source),
            sheet,
        };
        StoredFile { raw, opening, ignored_keys }
    }
}
