//! Invisible characters, which copying from documents and chats leaves in values.

use std::borrow::Cow;

use super::text;

/// Whether this character is invisible: zero-width, a soft hyphen, a byte order mark, or a mark of the text direction.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00AD}'
            | '\u{034F}'
            | '\u{061C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{FEFF}'
    )
}

/// The value without invisible characters: one by which users are told apart.
pub fn remove(value: &str) -> Cow<'_, str> {
    if value.is_ascii() || !value.chars().any(is_invisible) {
        return Cow::Borrowed(value);
    }
    // White space may have stood between invisible characters and the end.
    let visible: String = value.chars().filter(|c| !is_invisible(*c)).collect();
    Cow::Owned(visible.trim().to_owned())
}

/// The value without white space and invisible characters at its ends. Inside, some languages need them.
pub fn trim(value: &str) -> &str {
    if value.is_ascii() {
        return text::trim(value);
    }
    value.trim_matches(|c: char| c.is_whitespace() || is_invisible(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_removed_from_keys_and_trimmed_from_text() {
        for (value, removed, trimmed) in [
            ("ada", "ada", "ada"),
            (" ada ", " ada ", "ada"),
            ("ada\u{200b}", "ada", "ada"),
            ("\u{feff}a\u{ad}da", "ada", "a\u{ad}da"),
            ("\u{202a}+49 30\u{202c}", "+49 30", "+49 30"),
            ("\u{200b} \u{a0}ada \u{2060}", "ada", "ada"),
            ("نمی\u{200c}خواهم", "نمیخواهم", "نمی\u{200c}خواهم"),
            ("\u{200b}\u{feff}", "", ""),
        ] {
            assert_eq!((remove(value).as_ref(), trim(value)), (removed, trimmed), "{value:?}");
        }
    }
}
