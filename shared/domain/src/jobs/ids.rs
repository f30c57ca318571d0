//! Identifiers. They are small integers because the Spigit API shows them to clients as numbers.

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
    /// The id of a job and of its uploaded file. The ids of one tenant increase in the order in which its uploads
    /// were accepted.
    JobId(i64)
);
id!(
    /// The number of a batch within its job, counted from 1.
    BatchNo(u32)
);

impl JobId {
    /// Parses a path segment: decimal digits without a sign or leading zero. `None` if it is not an id.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        if plain { text.parse().ok().map(Self) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_positive_decimal_without_sign_or_leading_zero() {
        assert_eq!(JobId::parse("9"), Some(JobId(9)));
        for bad in ["", "0", "09", "-1", "+1", "0x9", "9.0", "٩", "999999999999999999999999999999", "9 "] {
            assert_eq!(JobId::parse(bad), None, "{bad:?}");
        }
    }
}
