//! The folded forms by which user names and e-mails are compared.
//!
//! They are stored next to the values because case folding differs between Postgres, SQLite and Rust. The rules are those
//! of RFC 8265 for user names (`UsernameCaseMapped`), with simple case folding instead of lower case: invisible
//! characters are removed, wide and narrow forms become ordinary ones, case is folded, and the result is in form NFC.
//! Characters that only look alike stay different: `ada²` and `ada2` are two users.

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;

use super::invisible;

/// The version of these rules. Stored keys of an earlier version are computed again by `muster migrate`.
pub const KEY_RULES_VERSION: i64 = 2;

/// Appends the folded form of a value. Two values are the same key if and only if their folded forms are equal.
pub fn fold_into(value: &str, out: &mut String) {
    let value = value.trim();
    if value.is_ascii() {
        let start = out.len();
        out.push_str(value);
        out[start..].make_ascii_lowercase();
        return;
    }
    let mut folded = fold_once(value);
    // Some rare sequences change again: a composed character may have another folded form.
    loop {
        let again = fold_once(&folded);
        if again == folded {
            break;
        }
        folded = again;
    }
    out.push_str(&folded);
}

fn fold_once(value: &str) -> String {
    let mapper = CaseMapper::new();
    let visible = value.chars().filter(|c| !invisible::is_invisible(*c)).map(to_ordinary_width);
    let composed: String = visible.nfc().collect();
    let folded: String = composed.chars().map(|c| mapper.simple_fold(c)).nfc().collect();
    // Removing characters may have left white space at an end.
    folded.trim().to_owned()
}

/// Returns the folded form of a value; see [`fold_into`].
pub fn fold(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    fold_into(value, &mut out);
    out
}

/// Appends the folded form of an e-mail. A domain in its Unicode form and in its ASCII form (`xn--`) is one domain.
pub fn fold_email_into(value: &str, out: &mut String) {
    let value = value.trim();
    let domain = value.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| has_ascii_form(domain));
    let Some(domain) = domain else { return fold_into(value, out) };
    let local = &value[..value.len() - domain.len() - 1];
    fold_into(local, out);
    out.push('@');
    match idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::EMPTY) {
        Ok(ascii) => out.push_str(&ascii),
        Err(_) => fold_into(domain, out),
    }
}

fn has_ascii_form(domain: &str) -> bool {
    let is_encoded = |label: &str| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    !domain.is_ascii() || domain.split('.').any(is_encoded)
}

/// Returns the folded form of an e-mail; see [`fold_email_into`].
pub fn fold_email(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    fold_email_into(value, &mut out);
    out
}

/// Whether these rules may give another key than those of version 1, which differ only beyond ASCII.
pub fn may_differ_from_version_1(value: &str) -> bool {
    !value.is_ascii() || value.to_ascii_lowercase().contains("xn--")
}

/// The character that a wide or narrow form stands for (RFC 8265: the decompositions `<wide>` and `<narrow>`).
fn to_ordinary_width(c: char) -> char {
    let code = u32::from(c);
    let ordinary = match code {
        0x3000 => 0x20,
        0xFF01..=0xFF5E => code - 0xFF01 + 0x21,
        0xFF5F | 0xFF60 => code - 0xFF5F + 0x2985,
        0xFF61..=0xFF9F => u32::from(only_compatible(c)),
        0xFFA0 => 0x3164,
        0xFFA1..=0xFFBE => code - 0xFFA1 + 0x3131,
        0xFFC2..=0xFFC7 => code - 0xFFC2 + 0x314F,
        0xFFCA..=0xFFCF => code - 0xFFCA + 0x3155,
        0xFFD2..=0xFFD7 => code - 0xFFD2 + 0x315B,
        0xFFDA..=0xFFDC => code - 0xFFDA + 0x3161,
        0xFFE0 | 0xFFE1 => code - 0xFFE0 + 0xA2,
        0xFFE2 => 0xAC,
        0xFFE3 => 0xAF,
        0xFFE4 => 0xA6,
        0xFFE5 => 0xA5,
        0xFFE6 => 0x20A9,
        0xFFE8 => 0x2502,
        0xFFE9..=0xFFEC => code - 0xFFE9 + 0x2190,
        0xFFED => 0x25A0,
        0xFFEE => 0x25CB,
        _ => code,
    };
    char::from_u32(ordinary).unwrap_or(c)
}

/// The compatible form of a character that has one of one character.
fn only_compatible(c: char) -> char {
    let mut compatible = std::iter::once(c).nfkd();
    match (compatible.next(), compatible.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_outer_spaces_unicode_form_width_and_invisible_characters() {
        for (left, right) in [
            ("Ann@Example.com", " ann@example.COM "),
            ("caf\u{e9}", "cafe\u{301}"),
            ("a\u{200b}nn", "ann"),
            ("ＡＢＣ", "abc"),
            ("ÀÉ", "àé"),
            ("\u{200b} ann", "ann"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ｶ", "カ"),
            ("\u{202a}ann\u{202c}", "ann"),
        ] {
            assert_eq!(fold(left), fold(right), "{left:?} and {right:?}");
        }
    }

    #[test]
    fn characters_that_only_look_alike_stay_distinct() {
        for (left, right) in
            [("\u{430}nn", "ann"), ("ada²", "ada2"), ("straße", "strasse"), ("ﬁn", "fin"), ("\u{ffa1}", "\u{1100}")]
        {
            assert_ne!(fold(left), fold(right), "{left:?} and {right:?}");
        }
    }

    #[test]
    fn both_forms_of_a_domain_are_one_mailbox() {
        for (left, right) in [
            ("Ada@exämple.example", "ada@xn--exmple-cua.example"),
            ("ada@EXÄMPLE.example", "ada@XN--EXMPLE-CUA.example"),
            ("ada@example.net", "ADA@EXAMPLE.NET"),
        ] {
            assert_eq!(fold_email(left), fold_email(right), "{left:?} and {right:?}");
        }
        assert_eq!(fold_email("no address"), "no address");
        assert_ne!(fold_email("ada@exämple.example"), fold_email("ada@example.example"));
    }

    #[test]
    fn folding_every_character_twice_changes_nothing() {
        for c in '\0'..=char::MAX {
            for text in [c.to_string(), format!("{c}\u{301}")] {
                let once = fold(&text);
                assert_eq!(fold(&once), once, "{text:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn folding_twice_changes_nothing(value in "\\PC{0,40}", email in "\\PC{0,10}@\\PC{0,20}") {
            let once = fold(&value);
            proptest::prop_assert_eq!(fold(&once), once);
            let once = fold_email(&email);
            proptest::prop_assert_eq!(fold_email(&once), once);
        }

        #[test]
        fn the_keys_of_ascii_are_those_of_version_1(value in "[ -~]{0,20}") {
            if !may_differ_from_version_1(&value) {
                proptest::prop_assert_eq!(fold_email(&value), value.trim().to_ascii_lowercase());
            }
        }
    }
}
