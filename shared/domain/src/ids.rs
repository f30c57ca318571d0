//! Identifiers. Small integers, because the Spigit API shows them to its clients as such.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// The owner of tokens, users and jobs.
    TenantId(i64)
);
id!(
    /// One import; also the id of its uploaded file. Ids of one tenant grow in the order in which
    /// its uploads were accepted.
    JobId(i64)
);
id!(
    /// The number of a batch within its job, counted from 1.
    BatchNo(u32)
);

impl JobId {
    /// Reads an id from a path segment: plain decimal digits without sign or leading zero.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if plain { text.parse().ok().map(Self) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_positive_decimals_are_ids() {
        assert_eq!(JobId::parse("9"), Some(JobId(9)));
        for bad in ["", "0", "09", "-1", "+1", "0x9", "9.0", "٩", "999999999999999999999999999999", "9 "] {
            assert_eq!(JobId::parse(bad), None, "{bad:?}");
        }
    }
}
