//! The digest of the values of a row, by which an unchanged user is recognized without reading the user.

use sha2::{Digest, Sha256};

use crate::batch::{Cell, CheckedRow};
use crate::field::{FIELD_COUNT, FIELDS};

/// 128 bits of the SHA-256 of the values of a row. Applying a row twice changes nothing the second time, so a user who
/// was last written by a row with this digest is unchanged by another row with the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowDigest(pub [u8; 16]);

impl RowDigest {
    /// Computes the digest of all values that a row sets or clears, except the password, which is stored only for new
    /// users.
    pub fn compute(row: &CheckedRow<'_>) -> Self {
        // A single update is faster than many short ones, because SHA-256 works on blocks.
        let mut encoded = Vec::with_capacity(512);
        for (number, spec) in (0..).zip(&FIELDS) {
            push(&mut encoded, number, row.cell(spec.field));
        }
        for (title, cell) in row.attributes() {
            if cell != Cell::Keep {
                push(&mut encoded, ATTRIBUTE, Cell::Set(title));
                push(&mut encoded, ATTRIBUTE, cell);
            }
        }
        let digest = Sha256::digest(&encoded);
        Self(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
    }
}

/// Marks an attribute; fields are marked by their index.
const ATTRIBUTE: u8 = 0x7f;
const _: () = assert!(FIELD_COUNT < ATTRIBUTE as usize);
/// Flag of a value that is cleared.
const CLEARED: u8 = 0x80;
/// Marks a length of eight bytes, for lengths that do not fit in one byte.
const LONG: u8 = 0xff;

/// Appends a value, preceded by its number and its length, so that different rows never have the same encoding. The
/// encoding is short because the cost of hashing is proportional to the number of bytes.
fn push(encoded: &mut Vec<u8>, number: u8, cell: Cell<'_>) {
    match cell {
        Cell::Keep => {}
        Cell::Clear => encoded.push(number | CLEARED),
        Cell::Set(value) => {
            encoded.push(number);
            match u8::try_from(value.len()) {
                Ok(length) if length < LONG => encoded.push(length),
                _ => {
                    encoded.push(LONG);
                    encoded.extend_from_slice(&(value.len() as u64).to_be_bytes());
                }
            }
            encoded.extend_from_slice(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;
    use crate::scanner::RecordLimits;
    use crate::{Handling, spigit};

    fn digest(titles: &str, record: &str) -> RowDigest {
        let header = Header::parse(titles.split(',').map(str::as_bytes)).unwrap();
        let batch = spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, record.as_bytes());
        RowDigest::compute(&batch.rows().next().unwrap())
    }

    const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM,WORK_CITY,Team,Desk";

    #[test]
    fn rows_with_the_same_values_have_the_same_digest_regardless_of_quotes_and_spaces() {
        let plain = digest(TITLES, "a@x.org,ann,Ann,Lee,Oslo,red,7\n");
        assert_eq!(plain, digest(TITLES, "a@x.org,ann,Ann,\"Lee\", Oslo ,red,7\r\n"));
    }

    #[test]
    fn every_value_and_its_column_change_the_digest() {
        let plain = digest(TITLES, "a@x.org,ann,Ann,Lee,Oslo,red,7\n");
        for other in [
            "a@x.org,ann,Ann,Lee,Oslo,red,\n",
            "a@x.org,ann,Ann,Lee,Oslo,,red7\n",
            "a@x.org,ann,Ann,Lee,Oslo,7,red\n",
            "a@x.org,ann,Ann,Lee,,red,7\n",
            "a@x.org,ann,Ann,Lee,oslo,red,7\n",
            "b@x.org,ann,Ann,Lee,Oslo,red,7\n",
            "a@x.org,ann,AnnL,ee,Oslo,red,7\n",
        ] {
            assert_ne!(plain, digest(TITLES, other), "{other}");
        }
        // Lengths around the maximum that one byte can encode.
        let long = |length: usize| digest(TITLES, &format!("a@x.org,ann,Ann,Lee,{},red,7\n", "o".repeat(length)));
        for length in [253, 254, 255, 256] {
            assert_ne!(long(length), long(length + 1), "{length}");
        }
        let other_titles = TITLES.replace("Desk", "Room");
        assert_ne!(plain, digest(&other_titles, "a@x.org,ann,Ann,Lee,Oslo,red,7\n"));
    }
}
