//! Looks at the head of a file, then stores it as it comes, hashed and counted.

use bytes::Bytes;
use muster_domain::Header;
use muster_domain::sniff::{HEAD_BYTES, inspect_spigit};
use muster_ports::{RawFile, RawUpload};
use sha2::{Digest, Sha256};

use super::{Encoding, Upload, UploadError, head};

/// A stored upload, ready to become a job.
pub(crate) struct Stored {
    pub(crate) raw: RawFile,
    pub(crate) header: Header,
}

/// The part of an upload that is the file.
pub(crate) struct Intake<'a> {
    upload: &'a Upload,
    encoding: Encoding,
    key: String,
    head: Vec<u8>,
    open: Option<Open>,
    hash: Sha256,
    bytes: u64,
}

/// A file whose head is fine.
struct Open {
    raw: Box<dyn RawUpload>,
    header: Header,
}

impl<'a> Intake<'a> {
    pub(crate) fn new(upload: &'a Upload, encoding: Encoding) -> Self {
        // Ours alone: nothing of what the client sent becomes part of a path.
        let key = format!("{}/{:032x}", upload.tenant, rand::random::<u128>());
        Self { upload, encoding, key, head: Vec::new(), open: None, hash: Sha256::new(), bytes: 0 }
    }

    /// Takes a piece of the file.
    pub(crate) async fn push(&mut self, piece: Bytes) -> Result<(), UploadError> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.upload.max_bytes {
            return Err(UploadError::TooLarge(self.upload.max_bytes));
        }
        self.hash.update(&piece);
        if let Some(open) = &mut self.open {
            return Ok(open.raw.write(piece).await?);
        }
        self.head.extend_from_slice(&piece);
        if self.head.len() >= HEAD_BYTES { self.open(false).await } else { Ok(()) }
    }

    /// Makes the file durable.
    pub(crate) async fn finish(mut self) -> Result<Stored, UploadError> {
        if self.open.is_none() {
            self.open(true).await?;
        }
        let Some(Open { raw, header }) = self.open else { return Err(UploadError::Truncated) };
        raw.finish().await?;
        let raw = RawFile {
            key: self.key,
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
            encoding: self.encoding.as_str().to_owned(),
        };
        Ok(Stored { raw, header })
    }

    /// Keeps nothing.
    pub(crate) async fn abandon(self) {
        if let Some(open) = self.open {
            open.raw.abort().await;
        }
    }

    async fn open(&mut self, complete: bool) -> Result<(), UploadError> {
        let decoded = head::decode(self.encoding, &self.head, complete).await?;
        let whole = complete && decoded.len() < HEAD_BYTES;
        let header = inspect_spigit(&decoded, whole, self.upload.cut.record)?;
        let mut raw = self.upload.raw.begin(&self.key).await?;
        let written = raw.write(std::mem::take(&mut self.head).into()).await;
        self.open = Some(Open { raw, header });
        Ok(written?)
    }
}
