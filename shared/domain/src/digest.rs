//! A short name for everything that a row says about its user.

use sha2::{Digest, Sha256};

use crate::batch::{Cell, CheckedRow};
use crate::field::FIELDS;

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
        for (index, spec) in FIELDS.iter().enumerate() {
            let name = u16::try_from(index).expect("there are few fields").to_be_bytes();
            push(&mut said, &name, row.cell(spec.field));
        }
        for (title, cell) in row.attributes() {
            push(&mut said, title.as_bytes(), cell);
        }
        let digest = Sha256::digest(&said);
        Self(*digest.first_chunk().expect("a SHA-256 has 32 bytes"))
    }
}

/// In hexadecimal digits.
impl std::fmt::Display for RowDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Every piece goes in with its length, so that no two rows come to the same text. A title is never as short
/// as the name of a field and begins with a zero, because titles are printable.
fn push(said: &mut Vec<u8>, name: &[u8], cell: Cell<'_>) {
    let value = match cell {
        Cell::Keep => return,
        Cell::Clear => None,
        Cell::Set(value) => Some(value),
    };
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    said.extend_from_slice(&length(name));
    said.extend_from_slice(name);
    match value {
        None => said.push(0),
        Some(value) => {
            said.push(1);
            said.extend_from_slice(&length(value.as_bytes()));
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
        assert_eq!(plain.to_string().len(), 32);
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
        let other_titles = TITLES.replace("Desk", "Room");
        assert_ne!(plain, digest(&other_titles, "a@x.org,ann,Ann,Lee,Oslo,red,7\n"));
    }
}
