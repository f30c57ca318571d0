//! Seals the records of a batch: compresses them with zstd and, if a key is set, encrypts them with AES-256-GCM.
//!
//! A broker stores message bodies unencrypted. With a key, its disk reveals no records, and a client that can publish
//! cannot forge a body or move it to another message, because the message id is authenticated together with the body.

use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

/// The first byte of a body that is compressed only.
const COMPRESSED_MARKER: u8 = b'z';
/// The first byte of a body that is compressed and encrypted.
const ENCRYPTED_MARKER: u8 = b'e';
/// The maximum size of the decompressed records. A batch has up to 512 KiB and one more record.
const MAX_RECORDS_BYTES: usize = 8 * 1024 * 1024;
/// Compresses CSV to a fifth. Level 3 would save another 3 % for a fifth more CPU time; level -5 would make bodies two
/// thirds larger, which costs the broker what it saves here (`docs/lab/batch-cost.md`).
const ZSTD_LEVEL: i32 = 1;

/// Why a body cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// The body is too short or has an unknown format.
    #[error("the body has an unknown format")]
    UnknownFormat,
    /// The body is encrypted and no key is set, or the reverse.
    #[error("the body is {body}, but this process {process}: MUSTER_PAYLOAD_KEY must be the same for all processes")]
    KeyMismatch {
        /// `encrypted` or `not encrypted`.
        body: &'static str,
        /// `has a key` or `has no key`.
        process: &'static str,
    },
    /// The body was sealed with another key, belongs to another message, or was altered.
    #[error("the body cannot be decrypted: it was sealed with another key or was altered")]
    Encryption,
    /// The compressed data is damaged or too large.
    #[error("the body cannot be decompressed")]
    Compression,
}

/// Seals and opens bodies.
#[derive(Debug)]
pub struct PayloadCodec {
    key: Option<LessSafeKey>,
    random: SystemRandom,
}

impl PayloadCodec {
    /// Creates a codec that compresses, and also encrypts if there is a key.
    pub fn new(key: Option<&[u8; 32]>) -> Self {
        let key = key.map(|key| UnboundKey::new(&AES_256_GCM, key).expect("any 32 bytes are an AES-256 key"));
        Self { key: key.map(LessSafeKey::new), random: SystemRandom::new() }
    }

    /// Seals the records of the message with this id.
    pub fn seal(&self, message_id: &str, records: &[u8]) -> Result<Bytes, PayloadError> {
        let mut body = zstd::bulk::compress(records, ZSTD_LEVEL).map_err(|_| PayloadError::Compression)?;
        let Some(key) = &self.key else {
            body.insert(0, COMPRESSED_MARKER);
            return Ok(body.into());
        };
        // A random nonce of 96 bits repeats within 2^32 messages of one key with a probability of 2^-33 (NIST SP
        // 800-38D).
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| PayloadError::Encryption)?;
        let aad = Aad::from(message_id.as_bytes());
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .map_err(|_| PayloadError::Encryption)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(ENCRYPTED_MARKER);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        Ok(sealed.into())
    }

    /// Opens the body of the message with this id and returns its records.
    pub fn open(&self, message_id: &str, body: &[u8]) -> Result<Vec<u8>, PayloadError> {
        match (body.split_first(), &self.key) {
            (Some((&COMPRESSED_MARKER, compressed)), None) => decompress(compressed),
            (Some((&ENCRYPTED_MARKER, sealed)), Some(key)) => decompress(&decrypt(key, message_id, sealed)?),
            (Some((&COMPRESSED_MARKER, _)), Some(_)) => {
                Err(PayloadError::KeyMismatch { body: "not encrypted", process: "has a key" })
            }
            (Some((&ENCRYPTED_MARKER, _)), None) => {
                Err(PayloadError::KeyMismatch { body: "encrypted", process: "has no key" })
            }
            _ => Err(PayloadError::UnknownFormat),
        }
    }
}

fn decrypt(key: &LessSafeKey, message_id: &str, sealed: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(PayloadError::UnknownFormat)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| PayloadError::UnknownFormat)?;
    let mut text = ciphertext.to_vec();
    let length = key
        .open_in_place(nonce, Aad::from(message_id.as_bytes()), &mut text)
        .map_err(|_| PayloadError::Encryption)?
        .len();
    text.truncate(length);
    Ok(text)
}

fn decompress(compressed: &[u8]) -> Result<Vec<u8>, PayloadError> {
    zstd::bulk::decompress(compressed, MAX_RECORDS_BYTES).map_err(|_| PayloadError::Compression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_a_sealed_body_returns_its_records() {
        for codec in [PayloadCodec::new(None), PayloadCodec::new(Some(&[7; 32]))] {
            let body = codec.seal("9:1", b"a,b\nc,d\n").unwrap();
            assert_eq!(codec.open("9:1", &body).unwrap(), b"a,b\nc,d\n");
        }
    }

    #[test]
    fn an_encrypted_body_hides_its_records_detects_changes_and_is_bound_to_its_message() {
        let codec = PayloadCodec::new(Some(&[7; 32]));
        let records = b"canary@example.com,canary";
        let body = codec.seal("9:1", records).unwrap();
        assert!(!body.windows(6).any(|window| window == b"canary"));
        assert!(matches!(codec.open("9:2", &body), Err(PayloadError::Encryption)), "the body of another message");
        let mut altered = body.to_vec();
        altered[20] ^= 1;
        assert!(matches!(codec.open("9:1", &altered), Err(PayloadError::Encryption)));
        let other = PayloadCodec::new(Some(&[8; 32]));
        assert!(matches!(other.open("9:1", &body), Err(PayloadError::Encryption)));
    }

    #[test]
    fn a_key_on_only_one_side_is_reported_as_a_key_mismatch() {
        let plain = PayloadCodec::new(None);
        let encrypted = PayloadCodec::new(Some(&[7; 32]));
        let error = plain.open("9:1", &encrypted.seal("9:1", b"x").unwrap()).unwrap_err();
        assert!(error.to_string().contains("MUSTER_PAYLOAD_KEY"));
        assert!(matches!(
            encrypted.open("9:1", &plain.seal("9:1", b"x").unwrap()),
            Err(PayloadError::KeyMismatch { .. })
        ));
    }

    #[test]
    fn garbage_is_not_opened() {
        for body in [b"".as_slice(), b"x", b"zgarbage", b"?abc"] {
            assert!(PayloadCodec::new(None).open("9:1", body).is_err());
        }
    }
}
