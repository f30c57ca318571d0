//! Tests of the Spigit row rules.

use super::*;
use crate::batch::Cell;
use crate::rejection::RejectionCode;

const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM,WORK_CITY,INTF_PUBLISH_DT,badge";

fn check(handling: Handling, records: impl AsRef<[u8]>) -> CheckedBatch {
    let header = Header::parse(TITLES.split(',').map(str::as_bytes)).unwrap();
    check_text(&header, handling, RecordLimits::default(), 2, records.as_ref())
}

fn rejected(records: &str) -> Vec<(u64, &'static str, String)> {
    let batch = check(Handling::Strict, records);
    batch.rejections().iter().map(|r| (r.line, r.code.as_str(), r.message.clone())).collect()
}

#[test]
fn a_valid_row_is_stored_in_canonical_form() {
    let batch = check(Handling::Strict, "A@B.c, Ann ,Anna,\"Lee, Jr\",,01/20/2019,7\n");
    let rows: Vec<_> = batch.rows().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].line(), rows[0].key(), rows[0].email_key()), (2, "ann", Some("a@b.c")));
    assert_eq!(rows[0].cell(Field::Username), Cell::Set("Ann"));
    assert_eq!(rows[0].cell(Field::LastName), Cell::Set("Lee, Jr"));
    assert_eq!(rows[0].cell(Field::WorkCity), Cell::Clear);
    assert_eq!(rows[0].cell(Field::IntfPublishDt), Cell::Set("2019-01-20"));
    assert_eq!(rows[0].cell(Field::CompanyId), Cell::Keep, "the file has no such column");
    assert_eq!(rows[0].attributes().collect::<Vec<_>>(), [("badge", Cell::Set("7"))]);
}

#[test]
fn an_invalid_row_fails_with_its_line_code_and_reason() {
    for (row, code, message) in [
        ("a@b,u,f,l,c,,", "", ""),
        (
            "a@b,u,f,l,c,",
            "column_count",
            "expected 7 values, found 6; with Prefer: handling=lenient, missing values at the end are taken as empty",
        ),
        (
            "a@b,u,f,l,c,,x,y",
            "column_count",
            "expected 7 values, found 8; a value that contains a comma must be quoted",
        ),
        ("a@b,u,f,l,c,,x,", "", ""),
        ("a@b,u,f,l,c,,x,, ,\"\"", "", ""),
        (",u,f,l,c,,", "value_empty", "EMAIL is missing"),
        ("a@b, ,f,l,c,,", "value_empty", "USERNAME is missing"),
        ("a@b,\u{200b},f,l,c,,", "value_empty", "USERNAME is missing"),
        ("ab,u,f,l,c,,", "email_invalid", "EMAIL is not an e-mail address: it has no @"),
        ("a@b,u,f,l,c,31/01/2020,", "date_invalid", "INTF_PUBLISH_DT is not a date of the form MM/DD/YYYY"),
        ("a@b,u,f\u{7},l,c,,", "control_char", "FIRST_NM has the control character U+0007"),
        ("a@b,u,f\0,l,c,,", "nul_byte", "FIRST_NM has a NUL character"),
        ("a@b,u,f\u{202e}g,l,c,,", "control_char", "FIRST_NM has the control character U+202E"),
        ("a@b,u,f\u{1b}[0m,l,c,,", "control_char", "FIRST_NM has the control character U+001B"),
        (
            "\"a@b\nBcc: x\",u,f,l,c,,",
            "email_invalid",
            "EMAIL is not an e-mail address: it has white space at character 4; the row spans lines 2 to 3",
        ),
        ("a@b,u,f,l,c,02/29/2023,", "date_invalid", "INTF_PUBLISH_DT is not a date of the form MM/DD/YYYY"),
        (
            "# a comment",
            "column_count",
            "expected 7 values, found 1; with Prefer: handling=lenient, missing values at the end are taken as empty",
        ),
        (
            "\u{1a}",
            "control_char",
            "has only the character U+001A (Ctrl-Z), which old programs put at the end of a file",
        ),
    ] {
        let found = rejected(&format!("{row}\n"));
        if code.is_empty() {
            assert_eq!(found, [], "{row:?}");
        } else {
            assert_eq!(found, [(2, code, message.to_owned())], "{row:?}");
        }
    }
    for row in ["a@b,u,f,l,5\" disk,,", "a@b,u,\"f\"x,l,c,,", "a@b,u,f \"x\",l,c,,"] {
        assert_eq!(rejected(&format!("{row}\n"))[0].1, "quote_misplaced", "{row}");
    }
}

#[test]
fn values_are_limited_in_characters() {
    for (position, title, limit) in
        [(0, "EMAIL", 254), (1, "USERNAME", 255), (2, "FIRST_NM", 255), (4, "WORK_CITY", 1024), (6, "badge", 4096)]
    {
        for (length, fits) in [(limit, true), (limit + 1, false), (100 * 1024, false)] {
            let mut values =
                ["a@b".to_owned(), "u".into(), "f".into(), "l".into(), "c".into(), String::new(), "7".into()];
            values[position] = if position == 0 { long_address(length) } else { "é".repeat(length) };
            let found = rejected(&format!("{}\n", values.join(",")));
            if fits {
                assert_eq!(found, [], "{title}");
            } else {
                let message = format!("{title} is longer than {limit} characters");
                assert_eq!(found, [(2, "value_too_long", message)]);
            }
        }
    }
}

/// An address of this many characters whose parts are not too long on their own.
fn long_address(characters: usize) -> String {
    let domain = format!("{}.", "b".repeat(63)).repeat(characters / 64);
    format!("{}@{}", "a".repeat(64), &domain[..characters - 65])
}

/// Formulas, code and words such as `NULL` are stored as plain text.
#[test]
fn values_are_taken_literally() {
    for value in [
        "=HYPERLINK(1)",
        "@SUM(1)",
        "+380441234567",
        "-1",
        "'); DROP TABLE users;--",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "<script>alert(1)</script>",
        "NULL",
        "\\N",
        "N/A",
        "true",
        "1e5",
        "\u{1f600}",
    ] {
        let batch = check(Handling::Strict, format!("a@b,u,{value},l,{value},,{value}\n"));
        assert_eq!(batch.rejections(), [], "{value}");
        let row = batch.rows().next().unwrap();
        assert_eq!((row.cell(Field::FirstName), row.cell(Field::WorkCity)), (Cell::Set(value), Cell::Set(value)));
        assert_eq!(row.attributes().next(), Some(("badge", Cell::Set(value))));
    }
}

#[test]
fn invalid_utf_8_fails_only_its_row() {
    let batch = check(Handling::Strict, b"a@b,u,\xc4\xe8,l,c,,\nc@d,v,f,l,c,,\n");
    assert_eq!(batch.rejections()[0].code, RejectionCode::Utf8Invalid);
    assert_eq!(batch.rejections()[0].column.as_deref(), Some("FIRST_NM"));
    assert_eq!(batch.rows().len(), 1);
}

#[test]
fn a_character_cut_by_a_separator_is_invalid() {
    let batch = check(Handling::Strict, b"a@b,u,f\xc3,\xa4l,c,,\n");
    assert_eq!(batch.rejections()[0].code, RejectionCode::Utf8Invalid);
    assert_eq!(batch.rejections()[0].column.as_deref(), Some("FIRST_NM"));
}

#[test]
fn an_empty_value_inside_a_cut_character_clears_its_field() {
    let batch = check(Handling::Lenient, b"a@b,u,f,l,c\xc3,,\xa4\n");
    let row = batch.rows().next().unwrap();
    assert_eq!((row.cell(Field::WorkCity), row.cell(Field::IntfPublishDt)), (Cell::Keep, Cell::Clear));
    assert_eq!((row.attributes().count(), batch.initial_counts().warnings), (0, 2));
}

#[test]
fn lenient_handling_pads_short_rows_and_skips_invalid_optional_values() {
    let batch = check(Handling::Lenient, "a@b,u,f,l,c,Dev\nc@d,v,f,l\nbroken,w,f,l\na@b,u,f,l,c,,x,y\n");
    assert_eq!(batch.initial_counts().warnings, 1);
    let rows: Vec<_> = batch.rows().collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0].cell(Field::IntfPublishDt), Cell::Keep);
    assert_eq!(rows[1].cell(Field::WorkCity), Cell::Clear);
    let codes: Vec<_> = batch.rejections().iter().map(|r| (r.line, r.code.as_str())).collect();
    assert_eq!(codes, [(4, "email_invalid"), (5, "column_count")], "invalid required values and long rows still fail");
}

#[test]
fn lenient_handling_skips_invalid_attributes() {
    let batch = check(Handling::Lenient, "a@b,u,f,l,c,,\u{7}bell\n");
    assert_eq!(batch.initial_counts().warnings, 1);
    assert_eq!(batch.rows().next().unwrap().attributes().count(), 0);
}

#[test]
fn rejections_never_repeat_values_of_the_row() {
    let batch = check(Handling::Strict, "canary-7f3a,canary-7f3a,f,l,c,canary-7f3a,\n");
    assert!(!format!("{:?}", batch.rejections()).contains("canary"));
}

/// No accepted header has this many columns; here they make a rule panic.
#[test]
fn a_row_whose_check_panics_fails_alone() {
    let mut titles = ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM"].map(str::to_owned).to_vec();
    titles.extend((0..70_000).map(|n| format!("extra{n}")));
    let limits = RecordLimits { max_bytes: 1 << 20, max_lines: 10 };
    let records = format!("a@x,a,f,l{}\nb@x,b,f,l\n", ",".repeat(70_000));
    let batch = check_text(&Header::from_titles(titles), Handling::Strict, limits, 2, records.as_bytes());
    let found: Vec<_> = batch.rejections().iter().map(|r| (r.line, r.code)).collect();
    assert_eq!(found, [(2, RejectionCode::NotApplied), (3, RejectionCode::ColumnCount)]);
    assert_eq!(batch.rows().len(), 0);
}

/// Checks a row of a workbook.
fn check_workbook(record: &str) -> CheckedBatch {
    let header = Header::parse(TITLES.split(',').map(str::as_bytes)).unwrap();
    let (handling, limits) = (Handling::Strict, RecordLimits::default());
    let rules = CheckRules { dialect: Dialect::Spigit, handling, format: Format::Workbook, header, limits };
    check_batch(&rules, BatchRecords { first_line: 17, first_row: 1, broken: None, text: record.as_bytes() })
}

#[test]
fn the_cells_of_a_workbook_are_what_they_are_in_their_column() {
    let batch = check_workbook("a@b.c,\u{1}n42,Ann\u{2028}Mary,Lee,,\u{1}d2024-05-17\n");
    let rows: Vec<_> = batch.rows().collect();
    assert_eq!(rows[0].key(), "42");
    assert_eq!(rows[0].cell(Field::FirstName), Cell::Set("Ann\nMary"));
    assert_eq!(rows[0].cell(Field::IntfPublishDt), Cell::Set("2024-05-17"));
    assert_eq!(
        rows[0].attributes().collect::<Vec<_>>(),
        [("badge", Cell::Clear)],
        "cells that are not written are empty"
    );
    let warnings: Vec<_> = batch.warnings().iter().map(|w| (w.line, w.column.as_str(), w.code.as_str())).collect();
    assert_eq!(warnings, [(17, "USERNAME", "number_as_text")]);
    for (row, message) in [
        (
            "a@b.c,u,\u{1}d2024-05-17,Lee\n",
            "FIRST_NM in cell C17 is a date; format the column as text and enter the value again",
        ),
        ("a@b.c,u,Ann,Lee,,,\u{1}e\n", "badge in cell G17 is the error of a formula; correct the formula"),
        ("a@b.c,u,Ann,Lee,,2024-05-17\n", "INTF_PUBLISH_DT is not a date of the form MM/DD/YYYY"),
        ("a@b.c,u,Ann\n", "LAST_NM is missing"),
    ] {
        assert_eq!(check_workbook(row).rejections()[0].message, message);
    }
}
