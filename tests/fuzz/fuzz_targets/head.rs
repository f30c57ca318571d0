//! The head of an upload: an accepted header has valid titles, and is parsed to the same header again.

#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use muster_domain::field::FIELDS;
use muster_domain::header::{MAX_COLUMNS, MAX_TITLE_CHARS};
use muster_domain::scanner::RecordLimits;
use muster_domain::charset::{CharsetCensus, refuse_mostly_broken};
use muster_domain::{Header, OwnTitles, collaborator, file_type, key, spigit};
use muster_fuzz::controls;

fn check(header: &Header) {
    assert!(header.titles().len() <= MAX_COLUMNS);
    assert_eq!(header.columns().len(), header.titles().len());
    for spec in FIELDS.iter().filter(|spec| spec.required) {
        assert!(header.position(spec.field).is_some(), "{} is required", spec.spigit_title);
    }
    let mut seen = HashSet::new();
    for title in header.titles() {
        assert!(!title.is_empty() && title.trim() == title && title.chars().count() <= MAX_TITLE_CHARS);
        assert!(seen.insert(key::fold(title)), "titles are unique");
    }
    assert_eq!(Header::from_titles(header.titles().to_vec()), *header);
    assert_eq!(Header::parse(header.titles().iter().map(String::as_bytes)).as_ref(), Ok(header));
}

fuzz_target!(|data: &[u8]| {
    let Some(([complete, limits], head)) = controls(data) else { return };
    let limits = if limits % 2 == 0 {
        RecordLimits::default()
    } else {
        RecordLimits { max_bytes: 16 + usize::from(limits), max_lines: 1 + u64::from(limits % 5) }
    };
    let complete = complete % 2 == 0;
    let _ = file_type::refuse_other_types(head);
    let census = CharsetCensus::of(head);
    let _ = (census.decide(None, complete), census.guess(), refuse_mostly_broken(head, b',', complete));
    let mut own = OwnTitles::default();
    own.set("Mail", "EMAIL").expect("a title");
    let _ = collaborator::find_rows(head, complete, limits, &own);
    let found = spigit::find_rows(head, complete, limits, &own);
    match &found {
        Ok(opening) => {
            check(&Header::from_titles(opening.titles.clone()));
            assert!(opening.start.offset <= head.len() as u64);
        }
        Err(refusal) => assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty()),
    }
    // The bytes that follow cannot change a complete title line.
    if !complete && let Ok(opening) = &found {
        let longer = [head, b"\nx"].concat();
        let again = spigit::find_rows(&longer, false, limits, &own);
        assert_eq!(again.as_ref().ok(), Some(opening));
    }
    // Titles with another separator.
    if let Ok(header) = Header::parse(head.split(|byte| *byte == b'\n')) {
        check(&header);
    }
});
