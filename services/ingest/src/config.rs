//! The settings of the service.

use std::time::Duration;

use muster_ports::CutRules;

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// The public base URL, without a trailing slash. Default: made of the `Host` header of each request.
    pub public_url: Option<String>,
    /// The maximum size of an upload.
    pub max_upload_bytes: u64,
    /// The maximum number of concurrent uploads in this process.
    pub max_uploads: usize,
    /// The maximum number of concurrent uploads per tenant.
    pub max_uploads_per_tenant: usize,
    /// The cut rules of new jobs.
    pub cut: CutRules,
    /// The maximum number of outstanding batches per job: published and not applied.
    pub job_window: usize,
    /// The maximum number of outstanding batches of all jobs that this process splits.
    pub total_window: usize,
    /// How long stored uploads are kept after the end of their job. `None`: forever.
    pub retain_uploads: Option<Duration>,
    /// How long rejections are kept after the end of their job. `None`: forever.
    pub retain_rejections: Option<Duration>,
    /// The key that encrypts batch payloads. `None`: they are not encrypted.
    pub payload_key: Option<[u8; 32]>,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self {
            public_url: None,
            max_upload_bytes: 2 << 30,
            max_uploads: 64,
            max_uploads_per_tenant: 16,
            cut: CutRules::default(),
            job_window: 64,
            total_window: 512,
            retain_uploads: None,
            retain_rejections: None,
            payload_key: None,
        }
    }
}
