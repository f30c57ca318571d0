//! Tokens are opaque: any bytes, compared by their hash.

use sha2::{Digest, Sha256};

/// Returns the hash under which a token is stored. A fast hash suffices because tokens have enough entropy, and
/// the lookup of a hash takes the same time for every wrong token.
pub fn token_sha256(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}
