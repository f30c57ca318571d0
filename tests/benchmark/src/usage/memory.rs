//! Samples the memory of each process over time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// The memory of one process.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pid: u32,
    /// Pairs of seconds since the start and MiB in use.
    pub(crate) points: Vec<(f64, f64)>,
    /// The peak that the kernel recorded.
    pub(crate) peak_mib: f64,
}

/// Samples processes until it is stopped.
pub(crate) struct MemorySampler {
    series: Arc<Mutex<Vec<Series>>>,
    sampling: JoinHandle<()>,
}

impl MemorySampler {
    pub(crate) fn start() -> Self {
        let series: Arc<Mutex<Vec<Series>>> = Arc::default();
        let (watched, started) = (series.clone(), Instant::now());
        #[expect(clippy::disallowed_methods, reason = "its owner stops it")]
        let sampling = tokio::spawn(async move {
            loop {
                for series in lock(&watched).iter_mut() {
                    sample(series, started.elapsed().as_secs_f64());
                }
                tokio::time::sleep(SAMPLE_INTERVAL).await;
            }
        });
        Self { series, sampling }
    }

    pub(crate) fn watch(&self, name: &str, pid: u32) {
        lock(&self.series).push(Series { name: name.to_owned(), pid, points: Vec::new(), peak_mib: 0.0 });
    }

    /// Name and process id of every process that is or was sampled.
    pub(crate) fn processes(&self) -> Vec<(String, u32)> {
        lock(&self.series).iter().map(|series| (series.name.clone(), series.pid)).collect()
    }

    pub(crate) async fn stop(&mut self) -> Vec<Series> {
        self.sampling.abort();
        let _ = (&mut self.sampling).await;
        std::mem::take(&mut lock(&self.series))
    }
}

fn lock(series: &Mutex<Vec<Series>>) -> MutexGuard<'_, Vec<Series>> {
    series.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds a sample. The series of a process that has ended stays as it is.
fn sample(series: &mut Series, second: f64) {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", series.pid)) else { return };
    let mebibytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes / 1024.0)
    };
    if let (Some(now), Some(peak)) = (mebibytes("VmRSS:"), mebibytes("VmHWM:")) {
        series.points.push((second, now));
        series.peak_mib = peak;
    }
}
