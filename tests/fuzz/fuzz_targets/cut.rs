//! Batches: the pieces in which a file arrives make no difference, batches are contiguous and within their
//! limits, no user is in two batches of an epoch, and the batches have the rows of the whole file.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use muster_domain::batch::Cell;
use muster_domain::field::FIELDS;
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_domain::strict_csv::StrictCsvScanner;
use muster_domain::{CheckedBatch, Handling, Header, Rejection, spigit};
use muster_fuzz::{controls, pieces};
use muster_ingest::internals::{CutBatch, cut};
use muster_ports::CutRules;

const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";
/// The number of rows by which a batch may exceed its limit to keep the rows of one user together.
const SAME_USER_ROWS: u32 = 100;

type Rows = Vec<(u64, String, Vec<String>)>;

fn rules([rows, bytes, epoch, limits]: [u8; 4]) -> CutRules {
    CutRules {
        batch_rows: 1 + u32::from(rows % 8),
        batch_bytes: if bytes % 2 == 0 { 512 * 1024 } else { 20 + usize::from(bytes) },
        epoch_rows: 1 + u64::from(epoch % 32),
        record: if limits % 2 == 0 {
            RecordLimits::default()
        } else {
            RecordLimits { max_bytes: 40 + usize::from(limits), max_lines: 1 + u64::from(limits % 5) }
        },
        ..CutRules::default()
    }
}

fn rows(batch: &CheckedBatch) -> Rows {
    let text = |cell: Cell<'_>| match cell {
        Cell::Set(value) => value.to_owned(),
        Cell::Clear | Cell::Keep => String::new(),
    };
    let values = |row: muster_domain::CheckedRow<'_>| FIELDS.iter().map(|spec| text(row.cell(spec.field))).collect();
    batch.rows().map(|row| (row.line(), row.key().to_owned(), values(row))).collect()
}

/// The offset and the line of the first row, or `None` if there is no row.
fn first_row(text: &[u8], limits: RecordLimits) -> Option<(usize, u64)> {
    let mut scanner = StrictCsvScanner::new(spigit::DELIMITER, limits, 1);
    let Ok(Scan::Record(titles)) = scanner.scan(text, true) else { return None };
    let Ok(Scan::Record(_)) = scanner.scan(&text[titles..], true) else { return None };
    let lead = usize::try_from(scanner.lead_bytes()).expect("a small text");
    Some((titles + lead, scanner.line()))
}

fn check_limits(cuts: &[CutBatch], rules: &CutRules) {
    let mut end = 0;
    for (position, (batch, _, rows, first_offset, end_offset, records, _)) in cuts.iter().enumerate() {
        assert_eq!(*batch as usize, position + 1);
        assert_eq!(*first_offset, end, "batches are contiguous");
        end = *end_offset;
        assert!(*rows >= 1 && *rows <= rules.batch_rows + SAME_USER_ROWS);
        assert!(*rows == 1 || records.len() <= rules.batch_bytes);
        assert!(records.len() as u64 <= end_offset - first_offset);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([seed, handling, r, b, e, l], records)) = controls(data) else { return };
    let (rules, header) = (rules([r, b, e, l]), Header::from_titles(TITLES.split(',').map(str::to_owned).collect()));
    let text = [TITLES.as_bytes(), b"\n", records].concat();
    let handling = if handling % 2 == 0 { Handling::Strict } else { Handling::Lenient };
    let (cuts, progress, error) = cut(rules, &header, [text.as_slice()]);
    assert_eq!(cut(rules, &header, pieces(&text, seed)), (cuts.clone(), progress, error.clone()));
    check_limits(&cuts, &rules);
    if let Some(last) = cuts.last() {
        assert_eq!((last.0, last.4), (progress.0, progress.2));
    }

    let mut joined: (Rows, Vec<Rejection>) = Default::default();
    let mut epoch: HashMap<String, u32> = HashMap::new();
    let mut epoch_rows = 0;
    for (batch, first_line, count, _, _, records, begins_epoch) in &cuts {
        if *begins_epoch {
            epoch.clear();
            epoch_rows = 0;
        }
        epoch_rows += u64::from(*count);
        let checked = spigit::check_batch(&header, handling, rules.record, *first_line, records);
        assert_eq!(checked.row_count(), u64::from(*count));
        for (_, key, _) in rows(&checked) {
            assert_eq!(*epoch.entry(key).or_insert(*batch), *batch, "no user is in two batches of an epoch");
        }
        assert!(epoch_rows <= rules.epoch_rows);
        joined.0.extend(rows(&checked));
        joined.1.extend_from_slice(checked.rejections());
    }
    let Some((start, line)) = first_row(&text, rules.record) else {
        assert!(cuts.is_empty());
        return;
    };
    let whole = spigit::check_batch(&header, handling, rules.record, line, &text[start..]);
    let mut rejections = whole.rejections().to_vec();
    if let Some(error) = error {
        // An error that ends a file is reported for the file, not for a row.
        let last = rejections.pop().expect("the check of the whole file fails too");
        assert_eq!((last.line, last.code), (error.line, error.code));
    }
    assert_eq!(joined, (rows(&whole), rejections));
});
