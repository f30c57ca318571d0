//! Settings of the service.

use std::time::Duration;

use muster_ports::CutRules;

/// Settings of the service.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// The address under which clients reach Muster, without a slash at its end. Without it, the
    /// `Host` header of each upload is used.
    pub public_url: Option<String>,
    /// Bytes of an upload at most, as received.
    pub max_upload_bytes: u64,
    /// Uploads at a time at most.
    pub max_uploads: usize,
    /// Uploads of one tenant at a time at most.
    pub max_uploads_per_tenant: usize,
    /// How new jobs are to be cut.
    pub cut: CutRules,
    /// Batches of one job on the queue at most, counted until they are applied.
    pub job_window: usize,
    /// Batches of all jobs of this process on the queue at most.
    pub total_window: usize,
    /// How long stored uploads are kept after the end of their job; for ever, if not given.
    pub retain_uploads: Option<Duration>,
    /// How long rejections are kept after the end of their job; for ever, if not given.
    pub retain_reports: Option<Duration>,
    /// The key by which batch bodies are encrypted.
    pub payload_key: Option<[u8; 32]>,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            max_upload_bytes: 2 << 30,
            max_uploads: 64,
            max_uploads_per_tenant: 32,
            cut: CutRules::default(),
            job_window: 64,
            total_window: 512,
            retain_uploads: None,
            retain_reports: None,
            payload_key: None,
        }
    }
}
