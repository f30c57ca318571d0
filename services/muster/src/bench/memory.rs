//! How much memory each process uses, over time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(250);

/// The memory of one process.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pid: u32,
    /// Seconds since the begin, and MiB in use.
    pub(super) points: Vec<(f64, f64)>,
    /// MiB at most, as the system counted.
    pub(super) peak: f64,
}

/// Watches processes until it is told to end.
pub(super) struct Memory {
    series: Arc<Mutex<Vec<Series>>>,
    sampling: JoinHandle<()>,
}

impl Memory {
    pub(super) fn start() -> Self {
        let series: Arc<Mutex<Vec<Series>>> = Arc::default();
        let (watched, begun) = (series.clone(), Instant::now());
        #[expect(clippy::disallowed_methods, reason = "its owner ends it")]
        let sampling = tokio::spawn(async move {
            loop {
                for series in lock(&watched).iter_mut() {
                    sample(series, begun.elapsed().as_secs_f64());
                }
                tokio::time::sleep(SAMPLE).await;
            }
        });
        Self { series, sampling }
    }

    pub(super) fn watch(&self, name: &str, pid: u32) {
        lock(&self.series).push(Series { name: name.to_owned(), pid, points: Vec::new(), peak: 0.0 });
    }

    /// Name and id of every process that is or was watched.
    pub(super) fn processes(&self) -> Vec<(String, u32)> {
        lock(&self.series).iter().map(|series| (series.name.clone(), series.pid)).collect()
    }

    pub(super) async fn end(&mut self) -> Vec<Series> {
        self.sampling.abort();
        let _ = (&mut self.sampling).await;
        std::mem::take(&mut lock(&self.series))
    }
}

fn lock(series: &Mutex<Vec<Series>>) -> MutexGuard<'_, Vec<Series>> {
    series.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that has ended keeps what is known of it.
fn sample(series: &mut Series, second: f64) {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", series.pid)) else { return };
    let mebibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes / 1024.0)
    };
    if let (Some(now), Some(peak)) = (mebibytes("VmRSS:"), mebibytes("VmHWM:")) {
        series.points.push((second, now));
        series.peak = peak;
    }
}
