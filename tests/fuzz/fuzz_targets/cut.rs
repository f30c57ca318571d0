//! Batches: the pieces in which a file arrives make no difference, batches are contiguous and within their
//! limits, no user is in two batches of an epoch, and the batches have the rows of the whole file.

#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use muster_domain::batch::Cell;
use muster_domain::field::FIELDS;
use muster_domain::scanner::RecordLimits;
use muster_domain::{
    BatchRecords, CheckRules, CheckedBatch, Dialect, Format, Handling, Header, Rejection, check_batch,
};
use muster_fuzz::{controls, pieces};
use muster_ingest::internals::{CutBatch, cut};
use muster_ports::CutRules;

const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";
/// The number of rows by which a batch may exceed its limit to keep the rows of one user together.
const SAME_USER_ROWS: u32 = 100;
/// The size of lines of titles that a batch may have after its last row.
const MAX_LEAD_BYTES: usize = 4096;

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

fn check_limits(cuts: &[CutBatch], rules: &CutRules) {
    let mut end = 0;
    for (position, cut) in cuts.iter().enumerate() {
        assert_eq!(cut.batch as usize, position + 1);
        assert_eq!(cut.first_offset, end, "batches are contiguous");
        end = cut.end_offset;
        assert!(cut.rows >= 1 && cut.rows <= rules.batch_rows + SAME_USER_ROWS);
        assert!(cut.rows == 1 || cut.records.len() <= rules.batch_bytes + MAX_LEAD_BYTES);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([seed, handling, r, b, e, l], text)) = controls(data) else { return };
    let (cut_rules, header) = (rules([r, b, e, l]), Header::from_titles(TITLES.split(',').map(str::to_owned).collect()));
    let handling = if handling % 2 == 0 { Handling::Strict } else { Handling::Lenient };
    let (cuts, progress) = cut(cut_rules, &header, handling, [text]);
    assert_eq!(cut(cut_rules, &header, handling, pieces(text, seed)), (cuts.clone(), progress));
    check_limits(&cuts, &cut_rules);
    let check_rules =
        CheckRules { dialect: Dialect::Spigit, handling, format: Format::Csv, header, limits: cut_rules.record };
    let mut joined: (Rows, Vec<Rejection>) = Default::default();
    let mut epoch: HashMap<String, u32> = HashMap::new();
    let mut epoch_rows = 0;
    for cut in cuts {
        if cut.starts_epoch {
            epoch.clear();
            epoch_rows = 0;
        }
        epoch_rows += u64::from(cut.rows);
        assert!(epoch_rows <= cut_rules.epoch_rows);
        let records = BatchRecords {
            first_line: cut.first_line,
            first_row: cut.first_row,
            broken: Some(cut.broken),
            text: &cut.records,
        };
        let checked = check_batch(&check_rules, records);
        assert_eq!(checked.row_count(), u64::from(cut.rows));
        for (_, key, _) in rows(&checked) {
            assert_eq!(*epoch.entry(key).or_insert(cut.batch), cut.batch, "no user is in two batches of an epoch");
        }
        joined.0.extend(rows(&checked));
        joined.1.extend_from_slice(checked.rejections());
    }
    let whole = check_batch(&check_rules, BatchRecords { first_line: 1, first_row: 1, broken: None, text });
    assert_eq!(joined, (rows(&whole), whole.rejections().to_vec()));
    assert_eq!(whole.row_count(), progress.rows);
});
