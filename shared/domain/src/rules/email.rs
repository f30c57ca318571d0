//! The form of an e-mail address. Only a mail server can tell whether the address exists.

use email_address::{EmailAddress, Options};

use crate::rejection::RejectionCode;
use crate::text::{ValueError, check_length, invalid};

/// The maximum length of an address in characters (RFC 5321).
const MAX_CHARS: usize = 254;

/// The maximum length of what stands before the @ (RFC 5321).
const MAX_LOCAL_BYTES: usize = 64;

/// Quotes that people and programs put around an address.
const QUOTES: [char; 12] = [
    '"', '\'', '`', '\u{ab}', '\u{bb}', '\u{2018}', '\u{2019}', '\u{201a}', '\u{201c}', '\u{201d}', '\u{201e}',
    '\u{201f}',
];

/// Checks a trimmed address, which must stand alone. The error names what was found by kind and position.
pub fn check(value: &str) -> Result<(), ValueError> {
    if is_plain(value) {
        return Ok(());
    }
    check_length(value, MAX_CHARS)?;
    match find_problem(value) {
        None => Ok(()),
        Some(problem) => invalid(RejectionCode::EmailInvalid, format!("is not an e-mail address: it {problem}")),
    }
}

/// Whether the address has the form that nearly all have, of ASCII letters, digits and few signs.
fn is_plain(value: &str) -> bool {
    let Some((local, domain)) = value.split_once('@') else { return false };
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
    let words = |text: &str, is_letter: &dyn Fn(u8) -> bool| {
        text.split('.').all(|word| !word.is_empty() && word.bytes().all(is_letter))
    };
    value.len() <= 64 && words(local, &is_atom) && words(domain, &|byte| byte.is_ascii_alphanumeric())
}

/// What is wrong with an address, as the predicate of a sentence.
fn find_problem(value: &str) -> Option<String> {
    let starts_with = |start: &str| value.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start));
    let fixed = if starts_with("mailto:") {
        "starts with mailto:; expected the address alone"
    } else if value.contains("://") {
        "is a web address"
    } else if value.starts_with('<') || value.ends_with('>') {
        "has angle brackets around it; expected the address alone"
    } else if value.starts_with(QUOTES) || value.ends_with(QUOTES) {
        "has quotes around it; expected the address alone"
    } else {
        return find_sign(value).or_else(|| find_part(value));
    };
    Some(fixed.to_owned())
}

/// Finds a sign that separates addresses or belongs around one.
fn find_sign(value: &str) -> Option<String> {
    let (position, name) = (1..).zip(value.chars()).find_map(|(position, c)| {
        let name = match c {
            ';' => "a semicolon",
            ',' => "a comma",
            '<' | '>' => "an angle bracket",
            '(' | ')' | '[' | ']' => "a bracket",
            '"' => "a quote",
            c if c.is_whitespace() => "white space",
            _ => return None,
        };
        Some((position, name))
    })?;
    Some(format!("has {name} at character {position}"))
}

fn find_part(value: &str) -> Option<String> {
    let fixed = match value.split_once('@') {
        None => "has no @",
        Some((_, domain)) if domain.contains('@') => "has more than one @",
        Some(("", _)) => "has nothing before the @",
        Some((_, "")) => "has nothing after the @",
        Some((local, _)) if local.starts_with('.') || local.ends_with('.') => {
            "has a full stop at an end of its first part"
        }
        Some((local, _)) if local.len() > MAX_LOCAL_BYTES => "has more than 64 bytes before the @",
        Some((_, domain)) if domain.ends_with('.') => "ends with a full stop",
        Some((local, _)) if local.contains("..") => "has two full stops in a row",
        Some((_, domain)) => return find_in_domain(domain).or_else(|| find_other(value)),
    };
    Some(fixed.to_owned())
}

/// A domain has labels of letters, digits and hyphens; those in other scripts must be allowed in domains (IDNA).
fn find_in_domain(domain: &str) -> Option<String> {
    let labels = || domain.split('.');
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || !c.is_ascii();
    let fixed = if labels().any(str::is_empty) {
        "has two full stops in a row, or one after the @"
    } else if labels().any(|label| label.starts_with('-') || label.ends_with('-')) {
        "has a hyphen at an end of a part of its domain"
    } else if !domain.chars().all(is_letter) {
        "has a sign in its domain that is no letter, digit or hyphen"
    } else if idna::domain_to_ascii_strict(domain).is_err() {
        "has a domain that cannot exist"
    } else {
        return None;
    };
    Some(fixed.to_owned())
}

/// Whatever else makes a text no address by RFC 5321 and 6531.
fn find_other(value: &str) -> Option<String> {
    let options = Options::default().without_display_text().without_domain_literal().with_no_minimum_sub_domains();
    EmailAddress::parse_with_options(value, options)
        .is_err()
        .then(|| "has a sign that addresses do not have".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_have_them_are_taken() {
        for good in [
            "a@b",
            "ada@example.net",
            "o'neil+x@mail.example.org",
            "ADA.Berg@Example.NET",
            "ada_b-c@example.photography",
            "ü@exämple.example",
            "\u{1f600}@x.example",
            "\u{430}nn@x",
            "ada@xn--exmple-cua.example",
            "a/b=c@example.net",
            "x@my-site.example",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_copying_adds_is_refused_by_name() {
        for (bad, problem) in [
            ("ada@example.net.", "ends with a full stop"),
            ("ada@example.net;", "a semicolon at character 16"),
            ("ada@example.net,", "a comma at character 16"),
            ("ada@example;net", "a semicolon at character 12"),
            ("ada@example.net;b@example.net", "a semicolon"),
            ("mailto:ada@example.net", "mailto:"),
            ("MAILTO:ada@example.net", "mailto:"),
            ("<ada@example.net>", "angle brackets"),
            ("Ada <ada@example.net>", "angle brackets"),
            ("https://example.net/@ada", "web address"),
            ("ada@example..net", "two full stops"),
            ("ada@.example.net", "one after the @"),
            (".ada@example.net", "a full stop at an end"),
            ("ada.@example.net", "a full stop at an end"),
            ("a..b@example.net", "two full stops"),
            ("'ada@example.net'", "quotes"),
            ("\u{201c}ada@example.net\u{201d}", "quotes"),
            ("\"ada@example.net\"", "quotes"),
            ("ada@-example.net", "a hyphen"),
            ("ada@exam_ple.net", "a sign in its domain"),
            ("ada@[192.0.2.1]", "a bracket"),
            ("plain", "no @"),
            ("a@", "nothing after"),
            ("@b.c", "nothing before"),
            ("a@@b.c", "more than one @"),
            ("a b@c.d", "white space at character 2"),
            ("a@b\r\nBcc: c@d", "white space"),
            ("a\u{a0}b@c", "white space"),
            ("#N/A", "no @"),
        ] {
            let error = check(bad).unwrap_err();
            assert_eq!(error.code, RejectionCode::EmailInvalid, "{bad}");
            assert!(error.problem.contains(problem), "{bad}: {}", error.problem);
        }
        let long = format!("{}@b.c", "a".repeat(255));
        assert_eq!(check(&long).unwrap_err().code, RejectionCode::ValueTooLong);
    }

    proptest::proptest! {
        #[test]
        fn a_plain_address_has_no_problem(value in "[a-z0-9_+.-]{1,6}@[a-z0-9.-]{1,8}") {
            proptest::prop_assert!(!is_plain(&value) || find_problem(&value).is_none());
        }
    }
}
