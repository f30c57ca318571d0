//! Why a split is interrupted.

use muster_messages::PayloadError;
use muster_ports::StoreError;

/// Why a split ends before its file does. The reconciler requests the split again; this process or another repeats it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interruption {
    #[error("the service is stopping")]
    Stopping,
    #[error("the lease was lost")]
    LeaseLost,
    #[error("no batch was applied for too long")]
    Stalled,
    #[error("too many big files are being split")]
    TooManyBig,
    #[error("the stored upload cannot be read at the moment")]
    SourceUnavailable,
    #[error("a batch could not be sealed")]
    Sealing(#[from] PayloadError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
