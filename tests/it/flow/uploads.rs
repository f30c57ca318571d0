//! How uploads are received: accepted bodies, refused bodies, framing, idempotency keys, and misbehaving clients.

mod bodies;
mod clients;
mod crowd;
mod idempotency;
mod protocol;
mod quotas;
mod refusals;
