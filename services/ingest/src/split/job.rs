//! The split of one job, under its lease.

use std::sync::Arc;

use muster_domain::record::RecordError;
use muster_domain::sniff::strip_bom;
use muster_domain::{Header, JobState, Rejection, RejectionCode};
use muster_ports::{Lease, QueueName, SplitEnd, SplitJob};
use muster_runtime::failpoint;
use tokio::sync::OwnedSemaphorePermit;

use super::cutter::{Cut, Cutter, Progress};
use super::lanes::Lanes;
use super::records::Layout;
use super::source::{Source, diagnose};
use super::stop::Stop;
use super::window::Window;
use super::{LEASE, LEASE_HEARTBEAT, Shared};
use crate::charset::Transcoder;

/// A job that this process splits.
pub(crate) struct SplitTask {
    shared: Arc<Shared>,
    split: SplitJob,
    place: OwnedSemaphorePermit,
}

impl SplitTask {
    /// `place` is one among the small splits.
    pub(crate) fn new(shared: Arc<Shared>, split: SplitJob, place: OwnedSemaphorePermit) -> Self {
        Self { shared, split, place }
    }

    pub(crate) fn lease(&self) -> Lease {
        self.split.lease
    }

    /// Splits the file to its end, or until the lease is lost or the service stops.
    pub(crate) async fn run(self) -> Result<SplitEnd, Stop> {
        let Self { shared, split, place } = self;
        tokio::select! {
            biased;
            end = split_file(&shared, &split, place) => end,
            stop = keep_lease(&shared, split.lease) => Err(stop),
            () = shared.deps.shutdown.begun() => Err(Stop::Stopping),
        }
    }
}

async fn split_file(shared: &Arc<Shared>, split: &SplitJob, place: OwnedSemaphorePermit) -> Result<SplitEnd, Stop> {
    let job = split.lease.job;
    let store = &shared.deps.store;
    let window = Window::open(store.clone(), job, split.patience).await?;
    let lanes = Lanes::new(shared.clone(), job, split.dialect, place);
    let mut out = Out { shared, window, lanes };
    let end = match Source::open(&*shared.deps.raw, &split.raw).await {
        Ok(source) => cut_file(split, source, &mut out).await?,
        Err(error) => {
            let file_error = Some(error.file_error(1).ok_or(Stop::SourceUnavailable)?);
            SplitEnd { batches: 0, rows: 0, bytes: 0, file_error }
        }
    };
    // An earlier split may have read, and published, more than is left of a file that was lost or
    // altered. Such a job has no complete ledger to wait for: it ends with what is applied.
    if let Some(error) = end.file_error.as_ref().filter(|error| error.code == RejectionCode::RawMissing) {
        let ended = store.fail_job(split.lease, error.clone()).await?;
        if ended {
            shared.deps.metrics.finished(JobState::Failed);
        }
        return if ended { Ok(end) } else { Err(Stop::LeaseLost) };
    }
    out.flush().await?;
    failpoint!("file_cut");
    if store.finish_split(split.lease, end.clone()).await? { Ok(end) } else { Err(Stop::LeaseLost) }
}

async fn cut_file(split: &SplitJob, mut source: Source, out: &mut Out<'_>) -> Result<SplitEnd, Stop> {
    let header = Header::from_titles(split.titles.clone());
    let layout = Layout { dialect: split.dialect, format: split.raw.format, header: &header };
    let mut transcoder = Transcoder::new(split.raw.charset);
    let mut cutter: Option<Cutter> = None;
    let mut unpacked = 0;
    let file_error = loop {
        let piece = match source.next().await {
            Ok(piece) => piece,
            Err(error) => {
                let error = diagnose(&*out.shared.deps.raw, &split.raw, error).await;
                let line = cutter.as_ref().map_or(1, Cutter::line);
                break Some(error.file_error(line).ok_or(Stop::SourceUnavailable)?);
            }
        };
        let at_end = piece.is_empty();
        let text = transcoder.decode(piece, at_end);
        let (cutter, text) = if let Some(cutter) = &mut cutter {
            (cutter, text)
        } else {
            let stripped = strip_bom(text);
            let skipped = (text.len() - stripped.len()) as u64;
            (cutter.insert(Cutter::new(split.cut, layout, skipped)), stripped)
        };
        unpacked += text.len() as u64;
        if unpacked > split.cut.unpacked_bytes {
            break Some(too_large(cutter.line(), split.cut.unpacked_bytes));
        }
        if let Err(error) = publish_all(cutter, text, at_end, out).await? {
            break Some(error.into());
        }
        if at_end {
            break None;
        }
    };
    let mut progress = Progress::default();
    if let Some(mut cutter) = cutter {
        if let Some(cut) = cutter.last() {
            out.publish(cut).await?;
        }
        progress = cutter.progress();
    }
    Ok(SplitEnd { batches: progress.batches, rows: progress.rows, bytes: progress.end_offset, file_error })
}

/// Publishes the batches that end within a piece of text. The inner error is the file's.
async fn publish_all(
    cutter: &mut Cutter,
    mut text: &[u8],
    at_end: bool,
    out: &mut Out<'_>,
) -> Result<Result<(), RecordError>, Stop> {
    loop {
        match cutter.read(text, at_end) {
            Ok((Some(cut), used)) => {
                text = &text[used..];
                out.publish(cut).await?;
            }
            Ok((None, _)) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Where the batches of a split go.
struct Out<'a> {
    shared: &'a Arc<Shared>,
    window: Window,
    lanes: Lanes,
}

impl Out<'_> {
    async fn publish(&mut self, cut: Cut) -> Result<(), Stop> {
        if cut.begins_epoch {
            self.flush().await?;
            self.window.wait_for(0).await?;
        }
        if self.window.is_applied(cut.batch) {
            return Ok(());
        }
        let ready = self.lanes.admit(cut)?;
        self.send(ready).await
    }

    /// Sends what is held back and waits until the queue has everything.
    async fn flush(&mut self) -> Result<(), Stop> {
        let held = self.lanes.release();
        self.send(held).await?;
        self.lanes.settle().await
    }

    async fn send(&mut self, ready: Vec<(QueueName, Cut)>) -> Result<(), Stop> {
        for (lane, cut) in ready {
            self.window.enter(cut.batch, self.shared.job_window, &self.shared.window).await?;
            self.lanes.publish(lane, cut).await?;
        }
        Ok(())
    }
}

/// Renews the lease until it is lost.
async fn keep_lease(shared: &Shared, lease: Lease) -> Stop {
    loop {
        tokio::time::sleep(LEASE_HEARTBEAT).await;
        match shared.deps.store.renew_lease(lease, LEASE).await {
            Ok(true) => {}
            Ok(false) => return Stop::LeaseLost,
            // Four heartbeats fit into a lease; if it lapses, its fence makes this split harmless.
            Err(error) => tracing::warn!(job = %lease.job, %error, "a lease was not renewed"),
        }
    }
}

fn too_large(line: u64, limit: u64) -> Rejection {
    let message = format!("the unpacked file is larger than {limit} bytes");
    Rejection::new(line, None, RejectionCode::UnpackedTooLarge, message)
}
