//! Where the rows of a Spigit file start.

use super::DELIMITER;
use crate::csv::{CsvScanner, CsvSyntax, LineProblem, QuoteStyle};
use crate::field::Field;
use crate::file::RowsStart;
use crate::header::{Header, HeaderError};
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::sniff::{self, Opening, Refusal};

/// Finds the titles and where the rows start in the first text of a file, without its byte order mark. `complete` says
/// that the text is the whole file.
pub fn find_rows(text: &[u8], complete: bool, limits: RecordLimits) -> Result<Opening, Refusal> {
    let mut scanner = CsvScanner::new(title_syntax(limits), 1);
    match scanner.scan(text, complete).map_err(Refusal::Json)? {
        Scan::Record(_) => {}
        Scan::End => return Err(Refusal::FileEmpty),
        Scan::NeedInput if text.contains(&b'@') && !text.contains(&b'"') => return Err(HeaderError::OneLine.into()),
        Scan::NeedInput => return Err(Refusal::HeaderTooLong),
    }
    check_separator(scanner.raw())?;
    match scanner.problem() {
        Some(LineProblem::TooLarge) => return Err(Refusal::HeaderTooLong),
        Some(_) => return Err(HeaderError::QuotesInvalid.into()),
        None => {}
    }
    let titles: Vec<_> = (0..scanner.field_count()).filter_map(|index| scanner.field(index)).collect();
    if let [only] = &titles[..]
        && count_known_titles(only, char::from(DELIMITER)) >= 2
    {
        return Err(HeaderError::LinesQuoted.into());
    }
    let start = RowsStart {
        offset: scanner.lead_bytes() + scanner.bytes(),
        line: scanner.line() + scanner.line_count(),
        skipped_lines: 0,
        blank_rows: scanner.blank_rows(),
    };
    let has_address = scanner.raw().contains(&b'@') && count_known_titles(scanner.raw(), char::from(DELIMITER)) >= 2;
    let header = Header::parse(titles.iter().map(|title| &**title));
    if has_address && scanner.scan(&[], complete) == Ok(Scan::End) {
        return Err(HeaderError::OneLine.into());
    }
    Ok(Opening { titles: header?.titles().to_vec(), start })
}

/// The syntax of the title line, which may have any number of titles.
fn title_syntax(limits: RecordLimits) -> CsvSyntax {
    CsvSyntax {
        delimiter: DELIMITER,
        quotes: QuoteStyle::Strict,
        limits,
        values: (0, usize::MAX),
        row_values: usize::MAX,
        is_title: |_| false,
    }
}

/// Fails if the titles seem to be separated by a character other than a comma.
fn check_separator(line: &[u8]) -> Result<(), HeaderError> {
    let with_commas = count_known_titles(line, char::from(DELIMITER));
    for (delimiter, name) in sniff::OTHER_DELIMITERS {
        let known = count_known_titles(line, delimiter);
        if delimiter != char::from(DELIMITER) && known >= 2 && known > with_commas {
            return Err(HeaderError::DelimiterSuspected(name, "commas"));
        }
    }
    Ok(())
}

fn count_known_titles(line: &[u8], delimiter: char) -> usize {
    let line = String::from_utf8_lossy(line);
    let titles = line.split(delimiter).map(|part| part.trim().trim_matches('"'));
    titles.filter(|title| Field::from_spigit_title(title).is_some()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

    fn open(text: &[u8]) -> Result<Opening, Refusal> {
        find_rows(text, true, RecordLimits::default())
    }

    #[test]
    fn the_rows_start_after_the_titles() {
        for (text, offset, line) in [
            (TITLES.to_owned(), 31, 2),
            (format!("{TITLES}\r\na,b,c,d"), 33, 2),
            (format!("\n \r\n{TITLES}\nx"), 36, 4),
            ("\"EMAIL\", \"USERNAME\" ,FIRST_NM,LAST_NM\nx".to_owned(), 38, 2),
            (format!("{TITLES},,\nx"), 34, 2),
        ] {
            let opening = open(text.as_bytes()).unwrap();
            assert_eq!((opening.start.offset, opening.start.line), (offset, line), "{text:?}");
            assert_eq!(opening.titles, ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM"]);
        }
    }

    #[test]
    fn a_title_line_with_another_fault_is_refused_for_that() {
        use HeaderError as E;
        for (text, expected) in [
            (format!("{}\nx", TITLES.replace(',', ";")), E::DelimiterSuspected("semicolons", "commas")),
            (format!("{}\nx", TITLES.replace(',', "\t")), E::DelimiterSuspected("tabs", "commas")),
            (format!("{};City, Town\nx", TITLES.replace(',', ";")), E::DelimiterSuspected("semicolons", "commas")),
            (format!("\"{TITLES}\"\n\"a,b,c,d\"\n"), E::LinesQuoted),
            (format!("'{}'\nx", TITLES.replace(',', "','")), E::SingleQuotes),
            (format!("{TITLES}a@x.example,a,b,c"), E::OneLine),
            (format!("{TITLES},COMPANY_IDa@x.example,a,b,c\n"), E::OneLine),
            ("sep=,\nEMAIL\n".to_owned(), E::SeparatorLine),
            ("EMAIL,\"USERNAME,FIRST_NM\nx,y\n".to_owned(), E::QuotesInvalid),
            ("a,,EMAIL,USERNAME\n".to_owned(), E::TitleEmpty(2)),
        ] {
            assert_eq!(open(text.as_bytes()), Err(expected.into()), "{text:?}");
        }
        assert_eq!(open(b"\n \r\n"), Err(Refusal::FileEmpty));
        let one_line = vec![b'@'; 64 * 1024];
        assert_eq!(find_rows(&one_line, false, RecordLimits::default()), Err(HeaderError::OneLine.into()));
        let too_long = vec![b'x'; 64 * 1024];
        assert_eq!(find_rows(&too_long, false, RecordLimits::default()), Err(Refusal::HeaderTooLong));
    }
}
