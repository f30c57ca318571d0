//! The key that a client sends with an upload so that repeating the request creates no second job.

/// Maximum length of a key in characters, which are all ASCII.
const MAX_KEY_CHARS: usize = 255;

/// An idempotency key: 1 to 255 printable ASCII characters without spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Parses the value of the request header; `None` if it is not a valid key.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let is_valid = (1..=MAX_KEY_CHARS).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if is_valid { String::from_utf8(bytes.to_vec()).ok().map(Self) } else { None }
    }

    /// The key, unchanged.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_only_printable_ascii_characters_without_spaces() {
        for good in ["a", "8e03978e-40d5-43dd-bc93-6894a57f9324", "\"quoted\"", "~!", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\tb", "a\u{7}", "é", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
