//! The split of one job, under its lease.

use std::sync::Arc;

use muster_domain::scanner::RecordError;
use muster_domain::sniff::strip_bom;
use muster_domain::{Header, JobState, Rejection, RejectionCode};
use muster_ports::{JobFailure, Lease, QueueName, SplitJob, SplitResult};
use muster_runtime::failpoint;
use tokio::sync::OwnedSemaphorePermit;

use super::clock::DatabaseClock;
use super::cutter::{Cut, Cutter, Progress};
use super::interruption::Interruption;
use super::lanes::Lanes;
use super::records::Layout;
use super::source::{Source, diagnose};
use super::window::Window;
use super::{LEASE_DURATION, LEASE_HEARTBEAT, Shared};
use crate::charset::Transcoder;
use crate::split_requests::request_split;

/// A job that this process splits.
pub(crate) struct SplitTask {
    shared: Arc<Shared>,
    split: SplitJob,
    permit: OwnedSemaphorePermit,
}

impl SplitTask {
    /// `permit` is one of the small splits.
    pub(crate) fn new(shared: Arc<Shared>, split: SplitJob, permit: OwnedSemaphorePermit) -> Self {
        Self { shared, split, permit }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.split.lease
    }

    /// Splits the file to its end, or until the lease is lost or the service stops.
    pub(crate) async fn run(self) -> Result<SplitResult, Interruption> {
        let Self { shared, split, permit } = self;
        tokio::select! {
            biased;
            end = split_file(&shared, &split, permit) => end,
            interruption = keep_lease(&shared, split.lease) => Err(interruption),
            () = shared.deps.shutdown.requested() => Err(Interruption::Stopping),
        }
    }
}

async fn split_file(
    shared: &Arc<Shared>,
    split: &SplitJob,
    permit: OwnedSemaphorePermit,
) -> Result<SplitResult, Interruption> {
    let store = &shared.deps.store;
    let clock = DatabaseClock::new(split.leased_ms);
    let window = Window::open(store.clone(), shared.deps.queue.clone(), split, clock).await?;
    let lanes = Lanes::new(shared.clone(), split, clock, permit);
    let mut sink = BatchSink { shared, window, lanes, max_failed_rows: split.cut.max_failed_rows };
    let end = match Source::open(&*shared.deps.raw, &shared.archives, &split.raw, split.dialect).await {
        Ok(source) => cut_file(split, source, &mut sink).await?,
        Err(error) => {
            let file_error = Some(error.file_error(1).ok_or(Interruption::SourceUnavailable)?);
            SplitResult { batches: 0, rows: 0, bytes: 0, blank_rows: 0, skipped_lines: 0, file_error }
        }
    };
    // An earlier split may have published more batches than can be read of a file that is now missing or changed. The
    // ledger of such a job may never be complete, so the job fails with what has been applied.
    if let Some(error) = end.file_error.as_ref().filter(|error| error.code == RejectionCode::RawMissing) {
        return match store.fail_job(split.lease, error.clone()).await? {
            JobFailure::LeaseLost => Err(Interruption::LeaseLost),
            JobFailure::Failed { now, next } => {
                if now {
                    shared.deps.metrics.count_finished(JobState::Failed);
                }
                if let Some(next) = next {
                    request_split(&shared.deps, next, Vec::new()).await;
                }
                Ok(end)
            }
        };
    }
    sink.flush().await?;
    failpoint!("file_cut");
    if store.finish_split(split.lease, end.clone()).await? { Ok(end) } else { Err(Interruption::LeaseLost) }
}

async fn cut_file(split: &SplitJob, mut source: Source, sink: &mut BatchSink<'_>) -> Result<SplitResult, Interruption> {
    let header = Header::from_titles(split.titles.clone());
    let layout = Layout {
        dialect: split.dialect,
        format: split.raw.format,
        handling: split.handling,
        header: &header,
        start: split.cut.rows_start,
    };
    let mut transcoder = Transcoder::new(split.raw.charset);
    let mut cutter: Option<Cutter> = None;
    let mut text_bytes = 0;
    // What stands above the rows was read when the upload was accepted.
    let mut above_rows = split.cut.rows_start.offset;
    let file_error = loop {
        let piece = match source.next().await {
            Ok(piece) => piece,
            Err(error) => {
                let error = diagnose(&*sink.shared.deps.raw, &split.raw, error).await;
                let line = cutter.as_ref().map_or(1, Cutter::line);
                break Some(error.file_error(line).ok_or(Interruption::SourceUnavailable)?);
            }
        };
        let at_end = piece.is_empty();
        // Text without records gives no batch to wait for, and must not keep the thread from other tasks.
        tokio::task::yield_now().await;
        let text = transcoder.decode(piece, at_end);
        let (cutter, text) = if let Some(cutter) = &mut cutter {
            (cutter, text)
        } else {
            let stripped = strip_bom(text);
            let skipped = (text.len() - stripped.len()) as u64;
            (cutter.insert(Cutter::new(split.cut, layout, skipped)), stripped)
        };
        text_bytes += text.len() as u64;
        let (_, text) = text.split_at(text.len().min(usize::try_from(above_rows).unwrap_or(usize::MAX)));
        above_rows = above_rows.saturating_sub(text_bytes);
        if text_bytes > split.cut.unpacked_bytes {
            break Some(too_large(cutter.line(), split.cut.unpacked_bytes));
        }
        match push_batches(cutter, text, at_end, sink).await? {
            Ok(()) if at_end => break None,
            Ok(()) => {}
            Err(FileEnd::Record(error)) => break Some(error.into()),
            Err(FileEnd::TooManyErrors(cut)) => return Ok(give_up(split, &cut)),
        }
    };
    let mut progress = Progress::default();
    if let Some(mut cutter) = cutter {
        if let Some(cut) = cutter.take_last()
            && let Err(cut) = sink.push(cut).await?
        {
            return Ok(give_up(split, &cut));
        }
        progress = cutter.progress();
    }
    let Progress { batches, rows, end_offset: bytes, blank_rows, skipped_lines } = progress;
    Ok(SplitResult { batches, rows, bytes, blank_rows, skipped_lines, file_error })
}

/// Why a file ends before its last record.
enum FileEnd {
    /// A record cannot be read.
    Record(RecordError),
    /// Too many rows have failed; this batch and all later ones are left out.
    TooManyErrors(Box<Cut>),
}

/// The result of a split that ends before a batch because too many rows have failed.
fn give_up(split: &SplitJob, cut: &Cut) -> SplitResult {
    let message = format!("more than {} rows failed; the rest of the file was not read", split.cut.max_failed_rows);
    SplitResult {
        batches: cut.batch.0 - 1,
        rows: cut.first_row - 1,
        bytes: cut.first_offset,
        blank_rows: 0,
        skipped_lines: split.cut.rows_start.skipped_lines,
        file_error: Some(Rejection::new(cut.first_line, None, RejectionCode::TooManyErrors, message)),
    }
}

/// Pushes the batches that end within a piece of text. The inner error ends the file.
async fn push_batches(
    cutter: &mut Cutter,
    mut text: &[u8],
    at_end: bool,
    sink: &mut BatchSink<'_>,
) -> Result<Result<(), FileEnd>, Interruption> {
    loop {
        match cutter.read(text, at_end) {
            Ok((Some(cut), used)) => {
                text = &text[used..];
                if let Err(cut) = sink.push(cut).await? {
                    return Ok(Err(FileEnd::TooManyErrors(cut)));
                }
            }
            Ok((None, _)) => return Ok(Ok(())),
            Err(error) => return Ok(Err(FileEnd::Record(error))),
        }
    }
}

/// Takes the batches of a split and sends them to the queue.
struct BatchSink<'a> {
    shared: &'a Arc<Shared>,
    window: Window,
    lanes: Lanes,
    max_failed_rows: u64,
}

impl BatchSink<'_> {
    /// Takes the next batch. A batch that starts an epoch waits until all earlier ones are applied. The inner error is
    /// the batch, if the file ends before it because too many rows have failed.
    async fn push(&mut self, cut: Cut) -> Result<Result<(), Box<Cut>>, Interruption> {
        if cut.starts_epoch {
            self.flush().await?;
            self.window.wait_until_at_most(0).await?;
        }
        if self.window.was_applied(cut.batch) {
            return Ok(Ok(()));
        }
        if self.window.gives_up_before(cut.batch, self.max_failed_rows) {
            return Ok(Err(Box::new(cut)));
        }
        let ready = self.lanes.admit(cut)?;
        self.send(ready).await.map(Ok)
    }

    /// Sends what is held back and waits until the queue has confirmed everything.
    async fn flush(&mut self) -> Result<(), Interruption> {
        let held = self.lanes.take_held();
        self.send(held).await?;
        self.lanes.wait_for_confirms().await
    }

    async fn send(&mut self, ready: Vec<(QueueName, Cut)>) -> Result<(), Interruption> {
        for (lane, cut) in ready {
            self.window.enter(cut.batch, self.shared.job_window, self.shared.window.permits(lane)).await?;
            self.lanes.send(lane, cut).await?;
        }
        Ok(())
    }
}

/// Renews the lease until it is lost.
async fn keep_lease(shared: &Shared, lease: Lease) -> Interruption {
    loop {
        tokio::time::sleep(LEASE_HEARTBEAT).await;
        match shared.deps.store.renew_lease(lease, LEASE_DURATION).await {
            Ok(true) => {}
            Ok(false) => return Interruption::LeaseLost,
            // A lease outlasts several failed renewals. If it expires, its fencing token makes this split harmless.
            Err(error) => tracing::warn!(job = %lease.job, %error, "could not renew a lease"),
        }
    }
}

fn too_large(line: u64, limit: u64) -> Rejection {
    let message = format!("the decompressed file is larger than {limit} bytes");
    Rejection::new(line, None, RejectionCode::UnpackedTooLarge, message)
}
