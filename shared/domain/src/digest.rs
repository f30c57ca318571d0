//! A short name for everything that a row says about its user.

use sha2::{Digest, Sha256};

use crate::batch::{Cell, CheckedRow};
use crate::field::{FIELD_COUNT, FIELDS};

/// 128 bits of the SHA-256 of what a row says. Applying a row twice changes nothing the second time, so a
/// user who was written last by a row of this digest is unchanged by another row of the same digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowDigest(pub [u8; 16]);

impl RowDigest {
    /// The digest of a row: of each value that it sets or clears. A password is not part of it, because it
    /// counts for new users only.
    pub fn of(row: &CheckedRow<'_>) -> Self {
        // One update for many short pieces: the hash works on blocks.
        let mut said = Vec::with_capacity(512);
        for (number, spec) in (0..).zip(&FIELDS) {
            push(&mut said, number, row.cell(spec.field));
        }
        for (title, cell) in row.attributes() {
            if cell != Cell::Keep {
                push(&mut said, ATTRIBUTE, Cell::Set(title));
                push(&mut said, ATTRIBUTE, cell);
            }
        }
        let digest = Sha256::digest(&said);
        Self(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
    }
}

/// Stands where fields have their number.
const ATTRIBUTE: u8 = 0x7f;
const _: () = assert!(FIELD_COUNT < ATTRIBUTE as usize);
/// Marks a number whose value is cleared.
const CLEARED: u8 = 0x80;
/// Stands before a length that one byte cannot hold.
const LONG: u8 = 0xff;

/// Every value goes in behind its number and its length, so that no two rows come to the same text. Short forms,
/// because hashing costs by the byte.
fn push(said: &mut Vec<u8>, number: u8, cell: Cell<'_>) {
    match cell {
        Cell::Keep => {}
        Cell::Clear => said.push(number | CLEARED),
        Cell::Set(value) => {
            said.push(number);
            match u8::try_from(value.len()) {
                Ok(length) if length < LONG => said.push(length),
                _ => {
                    said.push(LONG);
                    said.extend_from_slice(&(value.len() as u64).to_be_bytes());
                }
            }
            said.extend_from_slice(value.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Header;
    use crate::job::Handling;
    use crate::record::RecordLimits;
    use crate::spigit;

    fn digest(titles: &str, record: &str) -> RowDigest {
        let header = Header::parse(titles.split(',').map(str::as_bytes)).unwrap();
        let batch = spigit::check_batch(&header, Handling::Strict, RecordLimits::default(), 2, record.as_bytes());
        RowDigest::of(&batch.rows().next().unwrap())
    }

    const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM,WORK_CITY,Team,Desk";

    #[test]
    fn the_same_content_has_the_same_digest_however_it_is_written() {
        let plain = digest(TITLES, "a@x.org,ann,Ann,Lee,Oslo,red,7\n");
        assert_eq!(plain, digest(TITLES, "a@x.org,ann,Ann,\"Lee\", Oslo ,red,7\r\n"));
    }

    #[test]
    fn every_value_and_where_it_stands_matters() {
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
        // On both sides of the length that one byte can hold.
        let long = |length: usize| digest(TITLES, &format!("a@x.org,ann,Ann,Lee,{},red,7\n", "o".repeat(length)));
        for length in [253, 254, 255, 256] {
            assert_ne!(long(length), long(length + 1), "{length}");
        }
        let other_titles = TITLES.replace("Desk", "Room");
        assert_ne!(plain, digest(&other_titles, "a@x.org,ann,Ann,Lee,Oslo,red,7\n"));
    }
}
