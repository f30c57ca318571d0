//! Seals the records of a batch: zstd, then AES-256-GCM where a key is set.
//!
//! A broker stores message bodies in the clear. With a key, whoever reads its disk learns nothing,
//! and whoever can publish cannot forge a body: the message id is authenticated with it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use bytes::Bytes;

/// What stands before a body that is only compressed.
const PLAIN: u8 = b'z';
/// What stands before a body that is compressed and encrypted.
const ENCRYPTED: u8 = b'e';
const NONCE_BYTES: usize = 12;
/// No batch is larger when unpacked: a batch has at most 512 KiB and one record more.
const MAX_UNPACKED: usize = 8 * 1024 * 1024;
/// CSV shrinks to a fifth. Level 3 saves 3 % of that for a fifth more CPU; -5 makes bodies two thirds larger, which
/// costs the broker what it saves here (`docs/performance.md`).
const ZSTD_LEVEL: i32 = 1;

/// Why a body cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The body is shorter than any body can be, or of an unknown form.
    #[error("the body has an unknown form")]
    Form,
    /// The body is encrypted and no key is set, or the other way round.
    #[error("the body is {found}, but this process {wants}: MUSTER_PAYLOAD_KEY must be the same everywhere")]
    Key {
        /// What the body is.
        found: &'static str,
        /// What the process expects.
        wants: &'static str,
    },
    /// The body was altered or sealed with another key.
    #[error("the body cannot be decrypted: it was sealed with another key, or altered")]
    Sealed,
    /// The compressed data are damaged or too large.
    #[error("the body cannot be decompressed")]
    Compression,
}

/// Seals and opens bodies.
#[derive(Debug)]
pub struct PayloadCodec {
    key: Option<RandomizedNonceKey>,
}

impl PayloadCodec {
    /// A codec that compresses, and encrypts if there is a key.
    pub fn new(key: Option<&[u8; 32]>) -> Self {
        let key =
            key.map(|key| RandomizedNonceKey::new(&AES_256_GCM, key).expect("every 32 bytes are a key of AES-256"));
        Self { key }
    }

    /// Seals records for the message of this id.
    pub fn seal(&self, message_id: &str, records: &[u8]) -> Result<Bytes, PayloadError> {
        let mut body = zstd::bulk::compress(records, ZSTD_LEVEL).map_err(|_| PayloadError::Compression)?;
        let Some(key) = &self.key else {
            body.insert(0, PLAIN);
            return Ok(body.into());
        };
        let nonce = key
            .seal_in_place_append_tag(Aad::from(message_id.as_bytes()), &mut body)
            .map_err(|_| PayloadError::Sealed)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + body.len());
        sealed.push(ENCRYPTED);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed.into())
    }

    /// Opens the body of the message of this id.
    pub fn open(&self, message_id: &str, body: &[u8]) -> Result<Vec<u8>, PayloadError> {
        match (body.split_first(), &self.key) {
            (Some((&PLAIN, packed)), None) => unpack(packed),
            (Some((&ENCRYPTED, sealed)), Some(key)) => unpack(&decrypt(key, message_id, sealed)?),
            (Some((&PLAIN, _)), Some(_)) => Err(PayloadError::Key { found: "not encrypted", wants: "has a key" }),
            (Some((&ENCRYPTED, _)), None) => Err(PayloadError::Key { found: "encrypted", wants: "has no key" }),
            _ => Err(PayloadError::Form),
        }
    }
}

fn decrypt(key: &RandomizedNonceKey, message_id: &str, sealed: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(PayloadError::Form)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| PayloadError::Form)?;
    let mut text = text.to_vec();
    let length =
        key.open_in_place(nonce, Aad::from(message_id.as_bytes()), &mut text).map_err(|_| PayloadError::Sealed)?.len();
    text.truncate(length);
    Ok(text)
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, PayloadError> {
    zstd::bulk::decompress(packed, MAX_UNPACKED).map_err(|_| PayloadError::Compression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_records_open_again() {
        for codec in [PayloadCodec::new(None), PayloadCodec::new(Some(&[7; 32]))] {
            let body = codec.seal("9:1", b"a,b\nc,d\n").unwrap();
            assert_eq!(codec.open("9:1", &body).unwrap(), b"a,b\nc,d\n");
        }
    }

    #[test]
    fn an_encrypted_body_is_unreadable_unalterable_and_bound_to_its_message() {
        let codec = PayloadCodec::new(Some(&[7; 32]));
        let records = b"canary@example.com,canary";
        let body = codec.seal("9:1", records).unwrap();
        assert!(!body.windows(6).any(|window| window == b"canary"));
        assert!(matches!(codec.open("9:2", &body), Err(PayloadError::Sealed)), "another message's body");
        let mut altered = body.to_vec();
        altered[20] ^= 1;
        assert!(matches!(codec.open("9:1", &altered), Err(PayloadError::Sealed)));
        let other = PayloadCodec::new(Some(&[8; 32]));
        assert!(matches!(other.open("9:1", &body), Err(PayloadError::Sealed)));
    }

    #[test]
    fn a_missing_or_superfluous_key_is_named() {
        let plain = PayloadCodec::new(None);
        let encrypted = PayloadCodec::new(Some(&[7; 32]));
        let error = plain.open("9:1", &encrypted.seal("9:1", b"x").unwrap()).unwrap_err();
        assert!(error.to_string().contains("MUSTER_PAYLOAD_KEY"));
        assert!(matches!(encrypted.open("9:1", &plain.seal("9:1", b"x").unwrap()), Err(PayloadError::Key { .. })));
    }

    #[test]
    fn garbage_is_refused() {
        for body in [b"".as_slice(), b"x", b"zgarbage", b"?abc"] {
            assert!(PayloadCodec::new(None).open("9:1", body).is_err());
        }
    }
}
