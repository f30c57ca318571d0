//! Users of the Collaborator API: each record becomes one row or one rejection, no rule fails with an
//! internal error, and the splitter finds the same key for a row as the check.

#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use muster_domain::csv::CsvScanner;
use muster_domain::json_array::JsonArrayScanner;
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_domain::{Format, RejectionCode, collaborator};
use muster_fuzz::controls;

/// The uids that the splitter finds in all records, or `None` if the text is unreadable.
fn uids(format: Format, text: &[u8], limits: RecordLimits) -> Option<Vec<Option<String>>> {
    let (mut rest, mut uids) = (text, Vec::new());
    let mut csv = CsvScanner::new(collaborator::csv_syntax(limits), 1);
    let mut json = JsonArrayScanner::sequence(limits, 1);
    loop {
        let scanned = match format {
            Format::Csv | Format::JsonLines | Format::Workbook => csv.scan(rest, true),
            Format::Json => json.scan(rest, true),
        };
        let Scan::Record(used) = scanned.ok()? else { return Some(uids) };
        rest = &rest[used..];
        uids.push(match format {
            Format::Csv | Format::JsonLines | Format::Workbook => {
                let cell = csv.field(0).map(Cow::into_owned).unwrap_or_default();
                std::str::from_utf8(&cell).ok().and_then(collaborator::clean_uid).map(Cow::into_owned)
            }
            Format::Json => collaborator::keys_of_json(json.raw()).uid,
        });
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([format], text)) = controls(data) else { return };
    let format = if format % 2 == 0 { Format::Csv } else { Format::Json };
    let limits = RecordLimits::default();
    let batch = collaborator::check_text(format, limits, 1, 1, text);
    let internal_error = batch.rejections().iter().find(|rejection| rejection.code == RejectionCode::NotApplied);
    assert_eq!(internal_error, None);
    let Some(uids) = uids(format, text, limits) else { return };
    assert_eq!(batch.row_count(), uids.len() as u64);
    for row in batch.rows() {
        let number = usize::try_from(row.row().expect("every row has a number")).expect("a small text");
        assert_eq!(uids[number - 1].as_deref(), Some(row.key()));
    }
    assert_eq!(batch.rows_without_key() + batch.failed_keys().count() as u64, batch.rejections().len() as u64);
});
