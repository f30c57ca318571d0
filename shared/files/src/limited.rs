//! Readers that return no more than a limit: a few kilobytes can unpack to gigabytes.

use std::io::{self, BufRead, Read};

use crate::error::ArchiveError;
use crate::limits::{FREE_BYTES, MAX_RATIO};

/// Ends with an error when more was read than the packed size allows.
pub(crate) struct RatioLimit<R> {
    inner: R,
    left: u64,
}

impl<R: Read> RatioLimit<R> {
    pub(crate) fn new(inner: R, packed_bytes: u64) -> Self {
        Self { inner, left: packed_bytes.saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES) }
    }
}

impl<R: Read> Read for RatioLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(ArchiveError::Ratio.into()),
        }
    }
}

/// Ends with an error when more was read than the limit since it was [reset](Self::reset).
pub(crate) struct PieceLimit<R> {
    inner: R,
    limit: usize,
    left: usize,
}

impl<R: BufRead> PieceLimit<R> {
    pub(crate) fn new(inner: R, limit: usize) -> Self {
        Self { inner, limit, left: limit }
    }

    pub(crate) fn reset(&mut self) {
        self.left = self.limit;
    }
}

impl<R: BufRead> Read for PieceLimit<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for PieceLimit<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(ArchiveError::WorkbookDamaged("a part of it is too long").into());
        }
        let left = self.left;
        let filled = self.inner.fill_buf()?;
        Ok(&filled[..filled.len().min(left)])
    }

    fn consume(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.inner.consume(bytes);
    }
}
