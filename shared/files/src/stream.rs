//! Reads the content of stored archives on threads that may block, in bounded memory.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use muster_ports::RawStore;
use muster_runtime::Tasks;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use crate::archive::{Archive, ArchiveKind};
use crate::error::ArchiveError;
use crate::limits::MAX_STRING_BYTES;
use crate::ranged::{Allowance, RangedReader};
use crate::workbook::{SheetHead, Workbook};

/// How much is read of an archive to find and read its directory, in ranges.
const DIRECTORY_BLOCKS: usize = 8;
/// The size of the pieces of a file.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces are read ahead.
const PIECES_AHEAD: usize = 2;
/// How many archives are read at the same time, each on a thread of its own: as many as imports are split at most, so that
/// small ones need not wait for big ones.
const MAX_READERS: usize = 16;
/// The memory for the texts of all workbooks that are read at the same time, in MiB.
const MEMORY_MIB: usize = 2 * (MAX_STRING_BYTES >> 20);
/// A workbook whose texts take no more than this need not wait for memory, in MiB.
const FREE_MIB: usize = 2;

/// What an archive holds.
#[derive(Debug)]
pub enum ArchiveContent {
    /// A file, which is to be read with [`Archives::read_file`].
    File,
    /// A workbook, which is to be read with [`Archives::read_sheet`], and the first rows of its sheet.
    Workbook(SheetHead),
}

/// Reads archives in a raw store.
#[derive(Clone)]
pub struct Archives {
    raw: Arc<dyn RawStore>,
    tasks: Tasks,
    /// One permit for each archive that is read.
    readers: Arc<Semaphore>,
    /// One permit for each MiB of texts.
    memory: Arc<Semaphore>,
}

impl Archives {
    /// Reads archives in this raw store. `tasks` own the threads that read.
    pub fn new(raw: Arc<dyn RawStore>, tasks: Tasks) -> Self {
        let (readers, memory) = (Semaphore::new(MAX_READERS), Semaphore::new(MEMORY_MIB));
        Self { raw, tasks, readers: Arc::new(readers), memory: Arc::new(memory) }
    }

    /// Finds out what an archive of this size holds, or why Muster does not read it. `sheet` is the name of the sheet that
    /// the client asks for. The text of a sheet has this separator.
    pub async fn inspect(
        &self,
        key: &str,
        bytes: u64,
        sheet: Option<String>,
        delimiter: u8,
    ) -> Result<ArchiveContent, ArchiveError> {
        let open = self.opener(key, bytes);
        let _reader = self.readers.acquire().await.map_err(|_| ArchiveError::Interrupted)?;
        let inspecting = self.tasks.on_own_thread("archive", move || {
            let mut archive = open()?;
            match archive.kind() {
                ArchiveKind::Workbook => {
                    Ok(ArchiveContent::Workbook(Workbook::open(archive)?.inspect(sheet.as_deref(), delimiter)?))
                }
                ArchiveKind::OtherDocument(kind) => Err(ArchiveError::OtherDocument(kind)),
                ArchiveKind::Files => archive.only_file().map(|_| ArchiveContent::File),
            }
        });
        inspecting.await.map_err(|_| ArchiveError::Interrupted)?
    }

    /// Reads the only file in an archive of this size.
    pub fn read_file(&self, key: &str, bytes: u64) -> TextStream {
        let open = self.opener(key, bytes);
        self.start(move |sender| {
            let mut archive = open()?;
            let number = archive.only_file()?;
            let mut file = archive.open_entry(number)?;
            loop {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut piece)?;
                if piece.is_empty() || sender.send(piece).is_break() {
                    return Ok(());
                }
            }
        })
    }

    /// Reads a sheet of a workbook of this size as CSV text with this separator.
    pub fn read_sheet(&self, key: &str, bytes: u64, sheet: String, delimiter: u8) -> TextStream {
        let (open, memory) = (self.opener(key, bytes), self.memory.clone());
        self.start(move |sender| {
            let mut workbook = Workbook::open(open()?)?;
            let needed = usize::try_from(workbook.string_bytes() >> 20).unwrap_or(usize::MAX).saturating_add(1);
            let needed = u32::try_from(needed.min(MAX_STRING_BYTES >> 20)).unwrap_or(u32::MAX);
            let needed = if needed as usize <= FREE_MIB { 0 } else { needed };
            // Held until the sheet is read.
            let permits = Handle::current().block_on(memory.acquire_many_owned(needed));
            let _permits = permits.map_err(|_| ArchiveError::Interrupted)?;
            workbook.read_text(&sheet, delimiter, |piece| sender.send(piece))
        })
    }

    /// A function that opens the archive, to be called on a thread that may block.
    fn opener(
        &self,
        key: &str,
        bytes: u64,
    ) -> impl FnOnce() -> Result<Archive<RangedReader>, ArchiveError> + Send + 'static {
        let (raw, key) = (self.raw.clone(), key.to_owned());
        move || {
            let allowance = Allowance::blocks(DIRECTORY_BLOCKS);
            let archive = Archive::open(RangedReader::new(Handle::current(), raw, key, bytes, allowance.clone()))?;
            allowance.lift();
            Ok(archive)
        }
    }

    fn start(&self, read: impl FnOnce(&Sender) -> Result<(), ArchiveError> + Send + 'static) -> TextStream {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let (sender, tasks, readers) = (Sender(sender), self.tasks.clone(), self.readers.clone());
        let work = move || {
            let end = read(&sender).map(|()| Bytes::new());
            // The end does not matter if the stream was dropped.
            let _ = sender.0.blocking_send(end);
        };
        // The thread ends when the stream is dropped, because it cannot send any more.
        drop(self.tasks.spawn("read an archive", async move {
            if let Ok(_reader) = readers.acquire_owned().await {
                let _ = tasks.on_own_thread("archive", work).await;
            }
        }));
        TextStream { pieces }
    }
}

struct Sender(mpsc::Sender<Result<Bytes, ArchiveError>>);

impl Sender {
    /// Sends a piece; waits while enough was read ahead. Breaks if the stream was dropped.
    fn send(&self, piece: Vec<u8>) -> ControlFlow<()> {
        if piece.is_empty() {
            return ControlFlow::Continue(());
        }
        match self.0.blocking_send(Ok(piece.into())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// The content of a file in an archive, as it is read.
pub struct TextStream {
    pieces: mpsc::Receiver<Result<Bytes, ArchiveError>>,
}

impl TextStream {
    /// Returns the next piece; an empty one at the end.
    pub async fn next(&mut self) -> Result<Bytes, ArchiveError> {
        self.pieces.recv().await.unwrap_or(Err(ArchiveError::Interrupted))
    }
}

/// Reads the archive in these bytes: the text of its only file, or of a sheet.
pub fn read_bytes(archive: &[u8], sheet: Option<&str>, delimiter: u8) -> Result<Vec<u8>, ArchiveError> {
    let mut archive = Archive::open(io::Cursor::new(archive))?;
    let mut text = Vec::new();
    match archive.kind() {
        ArchiveKind::OtherDocument(kind) => return Err(ArchiveError::OtherDocument(kind)),
        ArchiveKind::Files => {
            let number = archive.only_file()?;
            archive.open_entry(number)?.read_to_end(&mut text)?;
        }
        ArchiveKind::Workbook => {
            let mut workbook = Workbook::open(archive)?;
            let name = workbook.inspect(sheet, delimiter)?.name;
            workbook.read_text(&name, delimiter, |piece| {
                text.extend(piece);
                ControlFlow::Continue(())
            })?;
        }
    }
    Ok(text)
}
