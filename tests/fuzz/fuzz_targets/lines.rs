//! JSON objects, one a line: each line is one row or one rejection, no rule fails with an internal error, and the splitter
//! finds the same key for a row as the check.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_domain::csv::CsvScanner;
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_domain::{
    BatchRecords, CheckRules, Dialect, Format, Handling, Header, RejectionCode, check_batch, collaborator, invisible,
    json_lines, key, spigit, spreadsheet,
};
use muster_fuzz::controls;

/// The key that the splitter finds in each line.
fn keys(dialect: Dialect, text: &[u8]) -> Vec<Option<String>> {
    let mut scanner = CsvScanner::new(json_lines::syntax(RecordLimits::default()), 1);
    let (mut rest, mut keys) = (text, Vec::new());
    while let Ok(Scan::Record(used)) = scanner.scan(rest, true) {
        rest = &rest[used..];
        keys.push(match dialect {
            Dialect::Spigit => spigit::keys_of_line(scanner.raw()).0.map(|name| {
                key::fold(&invisible::remove(spreadsheet::formula_text(invisible::trim(&name))))
            }),
            Dialect::Collaborator => collaborator::keys_of_json(scanner.raw()).uid,
        });
    }
    keys
}

fuzz_target!(|data: &[u8]| {
    let Some(([dialect, handling], text)) = controls(data) else { return };
    let dialect = if dialect % 2 == 0 { Dialect::Spigit } else { Dialect::Collaborator };
    let rules = CheckRules {
        dialect,
        handling: if handling % 2 == 0 { Handling::Strict } else { Handling::Lenient },
        format: Format::JsonLines,
        header: Header::from_titles(Vec::new()),
        limits: RecordLimits::default(),
    };
    let batch = check_batch(&rules, BatchRecords { first_line: 1, first_row: 1, broken: None, text });
    assert!(!batch.rejections().iter().any(|rejection| rejection.code == RejectionCode::NotApplied));
    let keys = keys(dialect, text);
    assert_eq!(batch.row_count(), keys.len() as u64);
    for row in batch.rows() {
        let number = usize::try_from(row.row().expect("every row has a number")).expect("a small text");
        assert_eq!(keys[number - 1].as_deref(), Some(row.key()));
    }
});
