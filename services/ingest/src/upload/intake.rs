//! Looks at the head of a file, then stores it as it comes, hashed and counted.

use bytes::Bytes;
use muster_domain::sniff::{self, HEAD_BYTES};
use muster_domain::{Charset, Dialect, Format};
use muster_ports::{RawFile, RawUpload};
use sha2::{Digest, Sha256};

use super::watch::Watch;
use super::{Encoding, Upload, UploadError, head};

/// A stored upload, ready to become a job.
pub(crate) struct Stored {
    pub(crate) raw: RawFile,
    /// The titles of a Spigit file.
    pub(crate) titles: Vec<String>,
}

/// The part of an upload that is the file.
pub(crate) struct Intake<'a> {
    upload: &'a Upload,
    format: Format,
    encoding: Encoding,
    /// Nothing for a Spigit file: faults behind its head are those of its rows.
    watch: Option<Watch>,
    key: String,
    head: Vec<u8>,
    open: Option<Open>,
    hash: Sha256,
    bytes: u64,
}

/// A file whose head is fine.
struct Open {
    raw: Box<dyn RawUpload>,
    titles: Vec<String>,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(upload: &'a Upload, format: Format, encoding: Encoding) -> Self {
        let watch = (upload.dialect == Dialect::Collaborator).then(|| Watch::new(format, upload.cut.record));
        // Ours alone: nothing of what the client sent becomes part of a path.
        let key = format!("{}/{:032x}", upload.tenant, rand::random::<u128>());
        Self { upload, format, encoding, watch, key, head: Vec::new(), open: None, hash: Sha256::new(), bytes: 0 }
    }

    /// Takes a piece of the file.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<(), UploadError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.upload.max_bytes {
            return Err(UploadError::TooLarge(self.upload.max_bytes));
        }
        self.hash.update(&piece);
        if let Some(watch) = &mut self.watch {
            watch.push(&piece)?;
        }
        if let Some(open) = &mut self.open {
            return Ok(open.raw.write(piece).await?);
        }
        self.head.extend_from_slice(&piece);
        if self.head.len() >= HEAD_BYTES { self.open(false).await } else { Ok(()) }
    }

    /// Makes the file durable if all of it was received, and keeps nothing otherwise.
    pub(crate) async fn conclude(self, received: Result<(), UploadError>) -> Result<Stored, UploadError> {
        match received {
            Ok(()) => self.finish().await,
            Err(error) => {
                self.abandon().await;
                Err(error)
            }
        }
    }

    async fn finish(mut self) -> Result<Stored, UploadError> {
        if self.open.is_none() {
            self.open(true).await?;
        }
        let charset = match self.watch.as_mut().map_or(Ok(Charset::Utf8), Watch::finish) {
            Ok(charset) => charset,
            Err(refusal) => {
                self.abandon().await;
                return Err(refusal.into());
            }
        };
        let Some(Open { raw, titles }) = self.open else { return Err(UploadError::Truncated) };
        raw.finish().await?;
        let raw = RawFile {
            key: self.key,
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
            encoding: self.encoding.as_str().to_owned(),
            format: self.format,
            charset,
        };
        Ok(Stored { raw, titles })
    }

    async fn abandon(self) {
        if let Some(open) = self.open {
            open.raw.abort().await;
        }
    }

    async fn open(&mut self, complete: bool) -> Result<(), UploadError> {
        let decoded = head::decode(self.encoding, &self.head, complete).await?;
        let whole = complete && decoded.len() < HEAD_BYTES;
        let titles = self.inspect(&decoded, whole)?;
        let mut raw = self.upload.raw.begin(&self.key).await?;
        let written = raw.write(std::mem::take(&mut self.head).into()).await;
        self.open = Some(Open { raw, titles });
        Ok(written?)
    }

    fn inspect(&self, head: &[u8], whole: bool) -> Result<Vec<String>, UploadError> {
        match (self.upload.dialect, self.format) {
            (Dialect::Spigit, _) => Ok(sniff::inspect_spigit(head, whole, self.upload.cut.record)?.titles().to_vec()),
            (Dialect::Collaborator, Format::Csv) => {
                sniff::inspect_collaborator(head, &head::text(head), whole)?;
                Ok(Vec::new())
            }
            // The whole of it is followed.
            (Dialect::Collaborator, Format::Json) => Ok(Vec::new()),
        }
    }
}
