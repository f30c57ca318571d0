//! Status responses of single jobs, each rendered once for all requests that arrive at the same time.

use axum::http::HeaderValue;
use bytes::Bytes;
use muster_domain::{JobId, TenantId};
use muster_http::ApiError;
use muster_runtime::SingleFlight;
use sha2::{Digest, Sha256};

use crate::progress::Source;
use crate::{Status, job_status};

/// Shares responses, including errors, between concurrent requests with the same key.
pub(crate) type SharedResponses = SingleFlight<ResponseKey, Result<JobResponse, ApiError>>;

/// What a response depends on. The base URL is included because the body has links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ResponseKey {
    pub(crate) tenant: TenantId,
    pub(crate) job: JobId,
    pub(crate) base: String,
}

/// The rendered status of a job.
#[derive(Clone, Debug)]
pub(crate) struct JobResponse {
    pub(crate) body: Bytes,
    /// An entity tag: equal for equal bodies.
    pub(crate) etag: HeaderValue,
    pub(crate) is_final: bool,
    /// Where the progress was read from.
    pub(crate) source: Source,
}

impl JobResponse {
    /// Loads the job and renders its status.
    pub(crate) async fn load(status: &Status, key: &ResponseKey) -> Result<Self, ApiError> {
        let ResponseKey { tenant, job, base } = key;
        let job = status.store.find_job(*tenant, *job).await?.ok_or_else(ApiError::file_not_found)?;
        let (body, source) = job_status::render(status, *tenant, &job, base).await?;
        let body = body.to_string();
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let etag = format!("\"{:032x}\"", u128::from_be_bytes(*digest.first_chunk().expect("32 bytes hold 16")));
        let etag = HeaderValue::try_from(etag).expect("digits and quotes are valid in a header");
        Ok(Self { body: body.into(), etag, is_final: job.state.is_final(), source })
    }
}
