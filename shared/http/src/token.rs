//! Tokens are opaque: any characters, compared as a whole by their hash.

use sha2::{Digest, Sha256};

/// What is stored of a token. It has enough entropy that a fast hash is enough, and looking the
/// hash up takes the same time for every wrong token.
pub fn token_sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}
