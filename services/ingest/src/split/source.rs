//! Reads a stored file as decompressed bytes.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use muster_domain::{Compression, Dialect, Rejection, RejectionCode, delimiter};
use muster_files::{ArchiveError, Archives, TextStream};
use muster_ports::{RawFile, RawStore, RawStoreError};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use crate::upload::compression::decompress;
use crate::upload::ratio::{RatioExceeded, is_ratio_exceeded};

const BUFFER_BYTES: usize = 64 * 1024;

/// Reads a stored file as text in the charset of the file.
pub(crate) enum Source {
    /// A file, compressed or not.
    File(FileSource),
    /// A file in an archive, or a sheet of a workbook. Its checksums are in the archive.
    Archive { stream: TextStream, piece: Bytes },
}

/// Reads a file and checks its hash.
pub(crate) struct FileSource {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    hash: Arc<Mutex<Sha256>>,
    expected: [u8; 32],
    buffer: Vec<u8>,
    /// An error that followed the bytes that were returned last.
    pending_error: Option<ReadError>,
}

/// Why the rest of a file cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The file is unusable. Retrying does not help.
    Unusable(RejectionCode, String),
    /// The raw store is unavailable, or the file needs another version of Muster. Retrying may help.
    Unavailable,
}

impl ReadError {
    /// Returns the error to report for a file that ends at `line` because of this. `None`: the split is to be repeated.
    pub(crate) fn file_error(self, line: u64) -> Option<Rejection> {
        match self {
            Self::Unusable(code, message) => Some(Rejection::new(line, None, code, message)),
            Self::Unavailable => None,
        }
    }
}

impl Source {
    /// Opens a stored file. The text of a sheet has the separator of the dialect.
    pub(crate) async fn open(
        raw: &dyn RawStore,
        archives: &Archives,
        file: &RawFile,
        dialect: Dialect,
    ) -> Result<Self, ReadError> {
        let stream = match (file.compression, &file.sheet) {
            (_, Some(sheet)) => archives.read_sheet(&file.key, file.bytes, sheet.clone(), delimiter(dialect)),
            (Compression::Zip, None) => archives.read_file(&file.key, file.bytes),
            (Compression::Identity | Compression::Gzip | Compression::Zstd, None) => {
                return FileSource::open(raw, file).await.map(Self::File);
            }
        };
        Ok(Self::Archive { stream, piece: Bytes::new() })
    }

    /// Returns the next bytes; an empty slice at the end.
    pub(crate) async fn next(&mut self) -> Result<&[u8], ReadError> {
        match self {
            Self::File(file) => file.next().await,
            Self::Archive { stream, piece } => {
                *piece = stream.next().await?;
                Ok(piece)
            }
        }
    }
}

impl From<ArchiveError> for ReadError {
    fn from(error: ArchiveError) -> Self {
        match (error.rejection_code(), error) {
            (Some(code), error) => Self::Unusable(code, error.to_string()),
            (None, ArchiveError::Storage(error)) => read_error(&error),
            (None, _) => Self::Unavailable,
        }
    }
}

impl FileSource {
    async fn open(raw: &dyn RawStore, file: &RawFile) -> Result<Self, ReadError> {
        let hash = Arc::new(Mutex::new(Sha256::new()));
        let hashing = hash.clone();
        let pieces = raw.read(&file.key, file.bytes).await.map_err(|error| read_error(&error))?;
        let pieces = pieces.map(move |piece| {
            if let Ok(piece) = &piece {
                hashing.lock().unwrap_or_else(PoisonError::into_inner).update(piece);
            }
            piece.map_err(io::Error::other)
        });
        let reader = decompress(file.compression, StreamReader::new(pieces));
        Ok(Self { reader, hash, expected: file.sha256, buffer: vec![0; BUFFER_BYTES], pending_error: None })
    }

    /// Returns the next bytes; at the end, checks the hash and returns an empty slice.
    async fn next(&mut self) -> Result<&[u8], ReadError> {
        if let Some(error) = self.pending_error.take() {
            return Err(error);
        }
        let mut filled = 0;
        // Fills the buffer, so that the first piece has a whole byte order mark.
        while filled < self.buffer.len() {
            match self.reader.read(&mut self.buffer[filled..]).await {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if filled == 0 => return Err(explain(&error)),
                Err(error) => {
                    self.pending_error = Some(explain(&error));
                    break;
                }
            }
        }
        if filled == 0 {
            self.check_hash()?;
        }
        Ok(&self.buffer[..filled])
    }

    fn check_hash(&self) -> Result<(), ReadError> {
        let found: [u8; 32] = self.hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize().into();
        if found == self.expected { Ok(()) } else { Err(read_error(&RawStoreError::Changed)) }
    }
}

/// Finds out whether data that cannot be decompressed is what the client sent, or has changed in the raw store.
pub(crate) async fn diagnose(raw: &dyn RawStore, file: &RawFile, error: ReadError) -> ReadError {
    if !matches!(error, ReadError::Unusable(RejectionCode::CompressionInvalid, _)) {
        return error;
    }
    match hash_of(raw, file).await {
        Ok(found) if found == file.sha256 => error,
        Ok(_) => read_error(&RawStoreError::Changed),
        Err(error) => read_error(&error),
    }
}

async fn hash_of(raw: &dyn RawStore, file: &RawFile) -> Result<[u8; 32], RawStoreError> {
    let mut pieces = raw.read(&file.key, file.bytes).await?;
    let mut hash = Sha256::new();
    while let Some(piece) = pieces.next().await {
        hash.update(&piece?);
    }
    Ok(hash.finalize().into())
}

fn explain(error: &io::Error) -> ReadError {
    if is_ratio_exceeded(error) {
        return ReadError::Unusable(RejectionCode::UnpackedTooLarge, RatioExceeded.to_string());
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<RawStoreError>()) {
        Some(error) => read_error(error),
        None => ReadError::Unusable(
            RejectionCode::CompressionInvalid,
            "the compressed data is corrupt or truncated".to_owned(),
        ),
    }
}

fn read_error(error: &RawStoreError) -> ReadError {
    match error {
        RawStoreError::Missing | RawStoreError::Changed => {
            ReadError::Unusable(RejectionCode::RawMissing, error.to_string())
        }
        RawStoreError::Full(_) | RawStoreError::Unavailable(_) => {
            tracing::warn!(error = error as &(dyn std::error::Error + 'static), "could not read a stored upload");
            ReadError::Unavailable
        }
    }
}
