//! The folded forms by which user names and e-mails are compared.
//!
//! They are stored next to the values because lowercasing differs between Postgres, SQLite and Rust.

use unicode_normalization::UnicodeNormalization;

/// Appends the folded form of a value: trimmed, NFKC, lowercase, without zero-width characters. Two values are the
/// same key if and only if their folded forms are equal.
pub fn fold_into(value: &str, out: &mut String) {
    let value = value.trim();
    if value.is_ascii() {
        let start = out.len();
        out.push_str(value);
        out[start..].make_ascii_lowercase();
    } else {
        let folded: String = value.nfkc().flat_map(char::to_lowercase).nfkc().filter(|c| !is_zero_width(*c)).collect();
        // Removing or decomposing characters may have left white space at an end.
        out.push_str(folded.trim());
    }
}

/// Returns the folded form of a value; see [`fold_into`].
pub fn fold(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    fold_into(value, &mut out);
    out
}

/// Whether this character is invisible and must not distinguish two keys.
pub(crate) fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_outer_spaces_unicode_form_and_zero_width_characters() {
        for (left, right) in [
            ("Ann@Example.com", " ann@example.COM "),
            ("caf\u{e9}", "cafe\u{301}"),
            ("a\u{200b}nn", "ann"),
            ("ＡＢＣ", "abc"),
            ("ÀÉ", "àé"),
            ("\u{200b} ann", "ann"),
        ] {
            assert_eq!(fold(left), fold(right), "{left:?} and {right:?}");
        }
    }

    #[test]
    fn lookalikes_from_other_scripts_stay_distinct() {
        assert_ne!(fold("\u{430}nn"), fold("ann"));
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(value in "\\PC{0,40}") {
            let once = fold(&value);
            proptest::prop_assert_eq!(fold(&once), once);
        }
    }
}
