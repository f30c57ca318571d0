//! Jobs, as the ports exchange them.

mod acceptance;
mod batch;
mod end;
mod split;
mod upkeep;
mod view;

pub use acceptance::{CreatedJob, Creation, CutRules, Idempotency, NewJob, RawFile};
pub use batch::{Applied, AppliedBatch, BatchStatus, BatchToApply, JobRules, Publication};
pub use end::{Cancellation, Deletion, FinishedJob, JobFailure};
pub use split::{Lease, SplitJob, SplitResult};
pub use upkeep::{RunningJob, UploadPosition, UploadToRemove};
pub use view::{JobQuery, JobView, LedgerTotals, RejectionPage, UnknownName, UnknownNames, WarningPage};
