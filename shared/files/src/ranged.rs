//! Reads a stored file in ranges, from any position.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use muster_ports::RawStore;
use tokio::runtime::Handle;

use crate::error::ArchiveError;

/// The size of a range.
const BLOCK_BYTES: u64 = 512 * 1024;
/// How many ranges are kept. An archive is mostly read from front to end, its directory at the end.
const KEPT_BLOCKS: usize = 4;

/// How many more ranges a reader may read.
#[derive(Clone)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    pub(crate) fn blocks(blocks: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(blocks)))
    }

    pub(crate) fn lift(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    fn take(&self) -> Result<(), ArchiveError> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(1).ok_or(ArchiveError::DirectoryTooLarge)?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// Reads a stored file. For threads that may block.
pub(crate) struct RangedReader {
    runtime: Handle,
    raw: Arc<dyn RawStore>,
    key: String,
    bytes: u64,
    position: u64,
    /// The ranges that were read last, the newest first, each with its number.
    blocks: Vec<(u64, Bytes)>,
    allowance: Allowance,
}

impl RangedReader {
    /// A reader of an upload of this size. `runtime` runs the requests to the raw store.
    pub(crate) fn new(runtime: Handle, raw: Arc<dyn RawStore>, key: String, bytes: u64, allowance: Allowance) -> Self {
        Self { runtime, raw, key, bytes, position: 0, blocks: Vec::new(), allowance }
    }

    fn block(&mut self, number: u64) -> io::Result<Bytes> {
        if let Some(at) = self.blocks.iter().position(|(kept, _)| *kept == number) {
            let found = self.blocks.remove(at);
            self.blocks.insert(0, found);
            return Ok(self.blocks[0].1.clone());
        }
        self.allowance.take()?;
        let start = number * BLOCK_BYTES;
        let range = start..(start + BLOCK_BYTES).min(self.bytes);
        let block = self.runtime.block_on(self.raw.read_range(&self.key, self.bytes, range));
        let block = block.map_err(io::Error::other)?;
        self.blocks.insert(0, (number, block.clone()));
        self.blocks.truncate(KEPT_BLOCKS);
        Ok(block)
    }
}

impl Read for RangedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.bytes || buffer.is_empty() {
            return Ok(0);
        }
        let block = self.block(self.position / BLOCK_BYTES)?;
        let start = usize::try_from(self.position % BLOCK_BYTES).map_err(io::Error::other)?;
        let read = (&block[start..]).read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for RangedReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.bytes.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
