//! ZIP archives and workbooks: whatever they are, reading ends with text or an error within the limits. The first rows of a
//! sheet are the start of its text, and each of its records becomes one row or one rejection.

#![no_main]

use std::io::{Cursor, Write as _};
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use muster_domain::scanner::RecordLimits;
use muster_domain::{BatchRecords, CheckRules, Dialect, Format, Handling, Header, check_batch, delimiter};
use muster_files::workbook::Workbook;
use muster_files::{Archive, read_bytes};
use muster_fuzz::controls;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const ROOT: &str = "<Relationships><Relationship Id=\"r\" Type=\"x/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
const MAIN: &str = "<workbook><sheets><sheet name=\"Users\" id=\"a\"/><sheet name=\"Other\" id=\"b\"/></sheets></workbook>";
const RELATIONS: &str = "<Relationships><Relationship Id=\"a\" Type=\"x/worksheet\" Target=\"sheet.xml\"/>\
                         <Relationship Id=\"s\" Type=\"x/sharedStrings\" Target=\"strings.xml\"/>\
                         <Relationship Id=\"f\" Type=\"x/styles\" Target=\"styles.xml\"/></Relationships>";

/// A workbook whose sheet, texts and styles are the parts of the content, which three dashes divide.
fn workbook(content: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: &str, part: &[u8]| {
        writer.start_file(name, stored).expect("a name");
        writer.write_all(part).expect("writing to memory never fails");
    };
    add("_rels/.rels", ROOT.as_bytes());
    add("xl/workbook.xml", MAIN.as_bytes());
    add("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes());
    let mut rest = content;
    for name in ["xl/sheet.xml", "xl/strings.xml", "xl/styles.xml"] {
        let end = rest.windows(3).position(|bytes| bytes == b"---").unwrap_or(rest.len());
        add(name, &rest[..end]);
        rest = rest.get(end + 3..).unwrap_or_default();
    }
    writer.finish().expect("writing to memory never fails").into_inner()
}

fn check_rows(text: &[u8], dialect: Dialect) {
    let rules = CheckRules {
        dialect,
        handling: Handling::Lenient,
        format: Format::Workbook,
        header: Header::from_titles(["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM", "INTF_PUBLISH_DT"].map(str::to_owned).to_vec()),
        limits: RecordLimits::default(),
    };
    let batch = check_batch(&rules, BatchRecords { first_line: 1, first_row: 1, broken: None, text });
    assert!(batch.rejections().iter().all(|rejection| !rejection.message.contains("internal error")));
    assert!(std::str::from_utf8(text).is_ok(), "the text of a workbook is UTF-8");
}

fuzz_target!(|data: &[u8]| {
    let Some(([kind, dialect], content)) = controls(data) else { return };
    if kind % 2 == 0 {
        let _ = read_bytes(content, None, b',');
        return;
    }
    let dialect = if dialect % 2 == 0 { Dialect::Spigit } else { Dialect::Collaborator };
    let archive = Archive::open(Cursor::new(workbook(content))).expect("the archive is valid");
    let mut workbook = Workbook::open(archive).expect("the list of sheets is valid");
    let head = workbook.inspect(None, delimiter(dialect));
    let mut text = Vec::new();
    let read = workbook.read_text("users", delimiter(dialect), |piece| {
        text.extend(piece);
        ControlFlow::Continue(())
    });
    if let (Ok(head), Ok(())) = (&head, &read) {
        assert!(text.starts_with(&head.text), "the first rows");
        assert!(!head.is_whole || head.text == text, "all rows");
    }
    check_rows(&text, dialect);
});
