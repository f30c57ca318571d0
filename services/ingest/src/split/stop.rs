//! Why a split is interrupted.

use muster_messages::PayloadError;
use muster_ports::StoreError;

/// Why a split ends before its file does. It is taken up again, here or elsewhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the service is stopping")]
    Stopping,
    #[error("the lease was lost")]
    LeaseLost,
    #[error("no batch was applied for too long")]
    Stalled,
    #[error("too many big files are being split")]
    TooManyBig,
    #[error("the stored upload cannot be read for now")]
    SourceUnavailable,
    #[error("a batch cannot be sealed")]
    Sealing(#[from] PayloadError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
