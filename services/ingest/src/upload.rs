//! Receives one upload: reads the body, inspects it, stores it, creates the job row.

mod archive;
pub(crate) mod body;
pub(crate) mod compression;
pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod headers;
mod inspect;
mod intake;
mod multipart;
pub(crate) mod ratio;
mod rules;
pub(crate) mod slots;

use bytes::Bytes;
use futures_util::StreamExt;
use muster_domain::{Compression, Format};
use muster_ports::{Creation, CutRules, NewJob, Store};
use muster_runtime::failpoint;

use body::BodyReader;
use context::UploadContext;
use error::UploadError;
use headers::UploadHeaders;
use intake::{Intake, StoredFile};
use rules::BodyKind;

/// How much larger than the largest file a body may be: a multipart envelope adds a little.
const MAX_ENVELOPE_BYTES: u64 = 64 * 1024;

/// Receives a body to its end and creates the job, or keeps nothing of it.
pub(crate) async fn receive(
    context: &UploadContext,
    store: &dyn Store,
    headers: &UploadHeaders,
    body: &mut BodyReader,
) -> Result<Creation, UploadError> {
    check_quotas(context, store, headers).await?;
    let stored = store_body(context, headers, body).await?;
    create_job(context, store, stored).await
}

/// Refuses an upload that would exceed a quota before its body is read. One that may repeat an earlier upload is read:
/// only its digest shows whether it does.
async fn check_quotas(context: &UploadContext, store: &dyn Store, headers: &UploadHeaders) -> Result<(), UploadError> {
    if context.quotas.allow_all_uploads() || context.idempotency.is_some() {
        return Ok(());
    }
    // What a multipart envelope adds is not stored.
    let bytes = headers.content_length.map_or(0, |bytes| bytes.saturating_sub(MAX_ENVELOPE_BYTES));
    let usage = store.quota_usage(context.tenant).await?;
    context.quotas.exceeded_by(usage, bytes).map_or(Ok(()), |exceeded| Err(exceeded.into()))
}

/// Creates the job of a stored file.
pub(crate) async fn create_job(
    context: &UploadContext,
    store: &dyn Store,
    stored: StoredFile,
) -> Result<Creation, UploadError> {
    let raw_key = stored.raw.key.clone();
    let job = NewJob {
        tenant: context.tenant,
        dialect: context.dialect,
        handling: context.handling,
        raw: stored.raw,
        titles: stored.opening.titles,
        ignored_keys: stored.ignored_keys,
        cut: CutRules { rows_start: stored.opening.start, ..context.cut },
        blocks_missing_users: context.blocks_missing_users,
        idempotency: context.idempotency.clone(),
        quotas: context.quotas,
    };
    context.stored_bytes.add(job.raw.bytes, &[]);
    failpoint!("upload_stored");
    // After an error the row may or may not be committed. So the stored file stays; the sweep removes it if no job
    // refers to it.
    let creation = store.create_job(job).await?;
    if !matches!(creation, Creation::New(_))
        && let Err(error) = context.raw.delete(&raw_key).await
    {
        tracing::warn!(%error, "could not remove an upload without a job; a sweep will");
    }
    Ok(creation)
}

/// Receives a body to its end and stores the file, or keeps nothing of it.
pub(crate) async fn store_body(
    context: &UploadContext,
    headers: &UploadHeaders,
    body: &mut BodyReader,
) -> Result<StoredFile, UploadError> {
    if headers.content_length.is_some_and(|bytes| bytes > context.max_bytes.saturating_add(MAX_ENVELOPE_BYTES)) {
        return Err(UploadError::TooLarge(context.max_bytes));
    }
    let rules = context.rules();
    match (rules.body_kind)(headers)? {
        BodyKind::Multipart => multipart::store_part(context, headers, body).await,
        // Decompressed, and packed by the store, if the whole text is inspected before the upload is accepted; otherwise
        // stored as it was sent.
        BodyKind::File(format) if rules.inspects_whole_text => {
            let file = FileBody { format, store_as: Compression::Identity, decode_first: headers.compression };
            store_file(context, file, body).await
        }
        BodyKind::File(format) => {
            let file = FileBody { format, store_as: headers.compression, decode_first: Compression::Identity };
            store_file(context, file, body).await
        }
    }
}

/// Stores an object that has been read already, as an upload of one user.
pub(crate) async fn store_object(context: &UploadContext, object: Bytes) -> Result<StoredFile, UploadError> {
    let mut intake = Intake::new(context, Format::Json, Compression::Identity, false);
    let received = intake.push(object).await;
    intake.conclude(received).await
}

/// A body that is the file itself, without a multipart envelope.
#[derive(Clone, Copy)]
struct FileBody {
    format: Format,
    /// The compression of the stored bytes.
    store_as: Compression,
    /// The compression that is removed before the bytes are inspected and stored.
    decode_first: Compression,
}

async fn store_file(context: &UploadContext, file: FileBody, body: &mut BodyReader) -> Result<StoredFile, UploadError> {
    let _decoder = context.take_decoder_of(file.decode_first)?;
    let mut intake = Intake::new(context, file.format, file.store_as, file.decode_first != Compression::Identity);
    let mut pieces = body.decompressed_pieces(file.decode_first);
    let mut received = Ok(());
    while let (Ok(()), Some(piece)) = (&received, pieces.next().await) {
        received = match piece {
            Ok(piece) => intake.push(piece).await,
            Err(error) => Err(error),
        };
    }
    drop(pieces);
    intake.conclude(received.and_then(|()| body.check_digests())).await
}
