//! The state of one job as it is answered, once for all who ask for it at the same time.

use axum::http::HeaderValue;
use bytes::Bytes;
use muster_domain::{JobId, TenantId};
use muster_http::ApiError;
use muster_runtime::SingleFlight;
use sha2::{Digest, Sha256};

use crate::Status;
use crate::files::describe;

/// Shares what was found, an error too.
pub(crate) type Answers = SingleFlight<Question, Result<Answer, ApiError>>;

/// What is asked. The address is part of it, because it is part of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question {
    pub(crate) tenant: TenantId,
    pub(crate) job: JobId,
    pub(crate) base: String,
}

/// A state of a job, written out.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    /// An entity tag: the same for the same body.
    pub(crate) tag: HeaderValue,
    pub(crate) is_final: bool,
    /// Where the progress was found.
    pub(crate) source: &'static str,
}

impl Answer {
    /// Looks at the job.
    pub(crate) async fn to(status: &Status, question: &Question) -> Result<Self, ApiError> {
        let Question { tenant, job, base } = question;
        let job = status.deps.store.find_job(*tenant, *job).await?.ok_or_else(ApiError::file_not_found)?;
        let (description, source) = describe(status, *tenant, &job, base).await?;
        let body = description.to_string();
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let tag = format!("\"{:032x}\"", u128::from_be_bytes(*digest.first_chunk().expect("32 bytes hold 16")));
        let tag = HeaderValue::try_from(tag).expect("digits and quotes may stand in a header");
        Ok(Self { body: body.into(), tag, is_final: job.state.is_final(), source })
    }
}
