//! The name that a client gives to an upload, so that sending it again makes no second job.

/// Characters of a key at most.
const MAX_LENGTH: usize = 255;

/// An idempotency key: 1 to 255 ASCII characters that can be seen, none of them a blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Reads a key as it was sent.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let fits = (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if fits { String::from_utf8(bytes.to_vec()).ok().map(Self) } else { None }
    }

    /// The key as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ascii_characters_that_can_be_seen() {
        for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", "~!", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\tb", "a\u{7}", "é", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
