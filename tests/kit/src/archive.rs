//! Archives of generated files.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const ROOT: &str =
    "<Relationships><Relationship Id=\"r\" Type=\"x/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
const MAIN: &str = "<workbook><sheets><sheet name=\"Users\" id=\"a\"/></sheets></workbook>";
const RELATIONS: &str =
    "<Relationships><Relationship Id=\"a\" Type=\"x/worksheet\" Target=\"sheet.xml\"/></Relationships>";

/// A ZIP archive of these files.
pub fn zip_archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A workbook whose sheet has the values of a CSV text without quotes.
pub fn workbook(csv: &str) -> Vec<u8> {
    let mut sheet = "<worksheet><sheetData>".to_owned();
    for line in csv.lines() {
        sheet.push_str("<row>");
        for value in line.split(',') {
            let escaped = value.replace('&', "&amp;").replace('<', "&lt;");
            write!(sheet, "<c t=\"inlineStr\"><is><t>{escaped}</t></is></c>").unwrap();
        }
        sheet.push_str("</row>");
    }
    sheet.push_str("</sheetData></worksheet>");
    zip_archive(&[
        ("_rels/.rels", ROOT.as_bytes()),
        ("xl/workbook.xml", MAIN.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/sheet.xml", sheet.as_bytes()),
    ])
}
