//! Rows: each record becomes one row or one rejection, and the stored values of a row pass the checks again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_domain::batch::Cell;
use muster_domain::csv::CsvScanner;
use muster_domain::field::{Field, spigit_fields};
use muster_domain::header::Column;
use muster_domain::scanner::{RecordLimits, Scan, Scanner};
use muster_domain::{CheckedBatch, CheckedRow, Format, Handling, Header, spigit};
use muster_fuzz::controls;

const HEADERS: [&str; 4] = [
    "EMAIL,USERNAME,FIRST_NM,LAST_NM",
    "LAST_NM,shoe size,USERNAME,FIRST_NM,INTF_PUBLISH_DT,EMAIL,=colour",
    "USERNAME,INTF_PUBLISH_DT,EMAIL,FIRST_NM,LAST_NM,WORK_CITY",
    "",
];

fn header(choice: u8) -> Header {
    let titles: Vec<String> = match HEADERS[usize::from(choice) % HEADERS.len()] {
        "" => spigit_fields().iter().map(|spec| spec.spigit_title.to_owned()).collect(),
        titles => titles.split(',').map(str::to_owned).collect(),
    };
    Header::from_titles(titles)
}

/// The lines of all records and broken lines.
fn lines(header: &Header, handling: Handling, text: &[u8], limits: RecordLimits, first_line: u64) -> Vec<u64> {
    let mut scanner = CsvScanner::new(spigit::csv_syntax(header, handling, Format::Csv, limits), first_line);
    let mut rest = text;
    let mut lines = Vec::new();
    while let Ok(Scan::Record(consumed)) = scanner.scan(rest, true) {
        rest = &rest[consumed..];
        lines.push(scanner.line());
    }
    lines
}

/// Formats a stored value as in a file.
fn file_value(field: Option<Field>, value: &str) -> String {
    match field {
        Some(Field::IntfPublishDt) => {
            let mut parts = value.split('-');
            let (year, month, day) = (parts.next(), parts.next(), parts.next());
            format!("{}/{}/{}", month.unwrap_or_default(), day.unwrap_or_default(), year.unwrap_or_default())
        }
        _ => value.to_owned(),
    }
}

fn cells<'a>(header: &'a Header, row: CheckedRow<'a>) -> Vec<(Option<Field>, Cell<'a>)> {
    let mut attributes = row.attributes().collect::<Vec<_>>().into_iter().peekable();
    let of = |(title, column): (&'a String, &'a Column)| match column {
        Column::Field(field) => (Some(*field), row.cell(*field)),
        // Attributes that the row omits are absent.
        Column::Attribute => {
            (None, attributes.next_if(|(name, _)| *name == title.as_str()).map_or(Cell::Keep, |(_, cell)| cell))
        }
    };
    header.titles().iter().zip(header.columns()).map(of).collect()
}

fn write_rows(header: &Header, batch: &CheckedBatch) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    for row in batch.rows() {
        let values = cells(header, row).into_iter().map(|(field, cell)| match cell {
            Cell::Set(value) => file_value(field, value),
            Cell::Keep | Cell::Clear => String::new(),
        });
        writer.write_record(values).expect("memory can be written");
    }
    writer.into_inner().expect("memory can be written")
}

fuzz_target!(|data: &[u8]| {
    let Some(([choice, handling, first_line], text)) = controls(data) else { return };
    let header = header(choice);
    let first_line = 2 + u64::from(first_line);
    let limits =
        if handling & 2 == 0 { RecordLimits::default() } else { RecordLimits { max_bytes: 200, max_lines: 4 } };
    let handling = if handling % 2 == 0 { Handling::Strict } else { Handling::Lenient };
    let batch = spigit::check_text(&header, handling, limits, first_line, text);

    let mut found: Vec<u64> = batch.rows().map(|row| row.line()).collect();
    assert!(found.is_sorted());
    assert!(batch.rejections().is_sorted_by_key(|rejection| rejection.line));
    found.extend(batch.rejections().iter().map(|rejection| rejection.line));
    found.sort_unstable();
    assert_eq!(found, lines(&header, handling, text, limits, first_line), "each record is one row or one rejection");
    assert_eq!(batch.row_count(), found.len() as u64);

    let no_limits = RecordLimits { max_bytes: usize::MAX, max_lines: u64::MAX };
    let again = spigit::check_text(&header, Handling::Strict, no_limits, 2, &write_rows(&header, &batch));
    assert_eq!(again.rejections(), [], "accepted rows pass again");
    assert_eq!(again.rows().len(), batch.rows().len());
    for (row, same) in batch.rows().zip(again.rows()) {
        assert_eq!((row.key(), row.email_key()), (same.key(), same.email_key()));
        assert!(!row.key().is_empty() && row.email_key().is_some_and(|email| !email.is_empty()));
        for ((_, cell), (_, same)) in cells(&header, row).into_iter().zip(cells(&header, same)) {
            // An omitted cell is written as an empty one, and an empty cell clears.
            let cell = if cell == Cell::Keep { Cell::Clear } else { cell };
            assert_eq!(cell, same);
        }
    }
});
