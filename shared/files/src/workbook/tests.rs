use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::read_bytes;

/// A ZIP archive of these entries.
fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A workbook of these sheets, each with its name, its state and its rows.
fn workbook(sheets: &[(&str, &str, &str)], strings: &str) -> Vec<u8> {
    let list = sheets.iter().enumerate().map(|(at, (name, state, _))| {
        format!("<sheet name=\"{name}\" sheetId=\"{at}\" state=\"{state}\" r:id=\"rId{at}\"/>")
    });
    let main = format!("<workbook xmlns:r=\"x\"><sheets>{}</sheets></workbook>", list.collect::<String>());
    let kind = |kind: &str| format!("http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}");
    let relation = |id: &str, name: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"{}\" Target=\"{target}\"/>", kind(name))
    };
    let mut relations: String = (0..sheets.len())
        .map(|at| relation(&format!("rId{at}"), "worksheet", &format!("worksheets/sheet{at}.xml")))
        .collect();
    relations += &relation("s", "sharedStrings", "/xl/sharedStrings.xml");
    relations += &relation("f", "styles", "styles.xml");
    let root = format!("<Relationships>{}</Relationships>", relation("r", "officeDocument", "xl/workbook.xml"));
    let styles = "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>";
    let mut entries = vec![
        ("_rels/.rels".to_owned(), root),
        ("xl/workbook.xml".to_owned(), main),
        ("xl/_rels/workbook.xml.rels".to_owned(), format!("<Relationships>{relations}</Relationships>")),
        ("xl/styles.xml".to_owned(), styles.to_owned()),
        ("xl/sharedStrings.xml".to_owned(), format!("<sst>{strings}</sst>")),
    ];
    for (at, (_, _, rows)) in sheets.iter().enumerate() {
        let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        entries.push((format!("xl/worksheets/sheet{at}.xml"), sheet));
    }
    let entries: Vec<(&str, &str)> = entries.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    archive(&entries)
}

fn text_of(archive: &[u8], sheet: Option<&str>) -> Result<String, ArchiveError> {
    read_bytes(archive, sheet, b',').map(|text| String::from_utf8(text).unwrap().replace('\u{1}', "!"))
}

const STRINGS: &str = "<si><t>EMAIL</t></si><si><t>NAME, short</t></si><si><t>line\nend</t></si>";
const ROWS: &str = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c><c r=\"C1\"><v>7</v></c></row>\
                    <row r=\"3\"><c r=\"B3\" t=\"s\"><v>2</v></c><c r=\"C3\"><v>8</v></c></row>\
                    <row r=\"4\"><c r=\"C4\"><v>9</v></c><c r=\"E4\" s=\"1\"><v>45429</v></c></row>\
                    <row r=\"9\"><c r=\"A9\" s=\"1\"/></row>";

#[test]
fn a_row_is_the_line_with_its_number() {
    let book = workbook(&[("Users", "visible", ROWS)], STRINGS);
    let text = text_of(&book, None).unwrap();
    assert_eq!(text, "EMAIL,\"NAME, short\",7\n\n,line\u{2028}end,!n8\n,,9,,!d2024-05-17\n");
}

#[test]
fn the_only_sheet_with_data_is_read_or_the_one_that_is_named() {
    let row = |text: &str| format!("<row><c t=\"inlineStr\"><is><t>{text}</t></is></c></row>");
    let (users, notes, empty) = (row("a"), row("b"), "<row><c s=\"1\"/></row>".to_owned());
    let one = workbook(&[("Empty", "visible", &empty), ("Users", "visible", &users), ("Lists", "hidden", &notes)], "");
    assert_eq!(text_of(&one, None).unwrap(), "a\n");
    assert_eq!(text_of(&one, Some("LISTS")).unwrap(), "b\n");
    let several = workbook(&[("Users", "visible", &users), ("Notes", "visible", &notes)], "");
    let error = text_of(&several, None).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("sheet_missing", "more than one sheet of the workbook has data: Users, Notes; name one with ?sheet=NAME")
    );
    let error = text_of(&several, Some("Other")).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("sheet_unknown", "the workbook has no sheet of the name in ?sheet=; its sheets are: Users, Notes")
    );
    let none = workbook(&[("Empty", "visible", &empty)], "");
    for name in [None, Some("Empty")] {
        assert_eq!(text_of(&none, name).unwrap_err().code(), "file_empty");
    }
}

#[test]
fn only_the_first_rows_are_inspected() {
    let row = |number: usize| format!("<row r=\"{number}\"><c t=\"s\"><v>{}</v></c></row>", number % 2);
    let rows: String = (1..=2 * INSPECTED_ROWS).map(row).collect();
    let book = workbook(&[("Users", "visible", &rows)], STRINGS);
    let mut book = Workbook::open(Archive::open(Cursor::new(&book[..])).unwrap()).unwrap();
    let head = book.inspect(None, b',').unwrap();
    let lines = String::from_utf8(head.text.clone()).unwrap().lines().count();
    assert_eq!((head.is_whole, lines), (false, INSPECTED_ROWS));
    let mut bytes = 0;
    let read = book.read_text("users", b',', |piece| {
        bytes += piece.len();
        ControlFlow::Continue(())
    });
    assert!(read.is_ok() && bytes > head.text.len());
}

#[test]
fn archives_with_one_file_are_read() {
    let system = [("__MACOSX/._users.csv", "x"), (".DS_Store", "x"), ("folder/", ""), ("folder/Thumbs.db", "x")];
    let file = ("folder/users.csv", "a,b\n");
    assert_eq!(text_of(&archive(&[&system[..], &[file]].concat()), None).unwrap(), "a,b\n");
    for (entries, code, problem) in [
        (&[][..], "file_empty", "the ZIP archive has no file in it"),
        (&system[..], "file_empty", "the ZIP archive has no file in it"),
        (
            &[("a.csv", "a"), ("b\n.csv", "b")][..],
            "archive_files",
            "the ZIP archive has more than one file: a.csv, b.csv; send one file, or an archive with one file",
        ),
        (
            &[("users.csv.gz", "PK\u{3}\u{4}")][..],
            "archive_invalid",
            "the file users.csv.gz in the ZIP archive is packed itself; send it without the archive around it",
        ),
        (
            &[("word/document.xml", "")][..],
            "not_csv",
            "the file is a Word document; expected CSV text or an Excel workbook (.xlsx)",
        ),
    ] {
        let error = text_of(&archive(entries), None).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, problem));
    }
}

#[test]
fn damaged_archives_and_workbooks_are_refused() {
    let book = workbook(&[("Users", "visible", ROWS)], STRINGS);
    for end in (0..book.len()).step_by(7) {
        assert!(text_of(&book[..end], None).is_err(), "{end}");
    }
    let mut flipped = book.clone();
    for at in (30..book.len()).step_by(3) {
        flipped[at] ^= 0x55;
        // Some bytes do not matter; whatever is read is the right text or an error.
        if let Ok(text) = text_of(&flipped, None) {
            assert!(text.starts_with("EMAIL,"), "{at}");
        }
        flipped[at] ^= 0x55;
    }
    let text = "<row><c t=\"s\"><v>9</v></c></row>";
    let error = text_of(&workbook(&[("Users", "visible", text)], ""), None).unwrap_err();
    assert_eq!(error.code(), "workbook_invalid");
    let deep = "<x>".repeat(100);
    assert_eq!(text_of(&workbook(&[("Users", "visible", &deep)], ""), None).unwrap_err().code(), "workbook_invalid");
    let entity = "<!DOCTYPE x [<!ENTITY a \"b\">]><row/>";
    assert_eq!(text_of(&workbook(&[("Users", "visible", entity)], ""), None).unwrap_err().code(), "workbook_invalid");
}

#[test]
fn files_that_unpack_to_a_multiple_are_refused() {
    let blanks = " ".repeat(50_000_000);
    assert_eq!(text_of(&archive(&[("users.csv", &blanks)]), None).unwrap_err().code(), "compression_ratio");
    let comment = format!("<!--{blanks}-->");
    let error = text_of(&workbook(&[("Users", "visible", &comment)], ""), None).unwrap_err();
    assert!(["compression_ratio", "workbook_invalid"].contains(&error.code()), "{error}");
}
