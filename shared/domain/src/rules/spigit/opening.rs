//! Where the rows of a Spigit file start.

use super::DELIMITER;
use crate::csv::{CsvScanner, CsvSyntax, LineProblem, QuoteStyle};
use crate::field::Field;
use crate::file::RowsStart;
use crate::header::{Header, HeaderError};
use crate::own_titles::OwnTitles;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::sniff::{self, Opening, Refusal};

/// Finds the titles and where the rows start in the first text of a file, without its byte order mark. `complete` says
/// that the text is the whole file. `own` are the titles of the tenant, which are replaced by those that they stand for.
pub fn find_rows(text: &[u8], complete: bool, limits: RecordLimits, own: &OwnTitles) -> Result<Opening, Refusal> {
    let mut scanner = CsvScanner::new(title_syntax(limits), 1);
    match scanner.scan(text, complete).map_err(Refusal::Json)? {
        Scan::Record(_) => {}
        Scan::End => return Err(Refusal::FileEmpty),
        Scan::NeedInput if text.contains(&b'@') && !text.contains(&b'"') => return Err(HeaderError::OneLine.into()),
        Scan::NeedInput => return Err(Refusal::HeaderTooLong),
    }
    check_separator(scanner.raw(), own)?;
    match scanner.problem() {
        Some(LineProblem::TooLarge) => return Err(Refusal::HeaderTooLong),
        Some(_) => return Err(HeaderError::QuotesInvalid.into()),
        None => {}
    }
    let titles: Vec<_> = (0..scanner.field_count()).filter_map(|index| scanner.field(index)).collect();
    if let [only] = &titles[..]
        && count_known_titles(only, char::from(DELIMITER), own) >= 2
    {
        return Err(HeaderError::LinesQuoted.into());
    }
    let start = RowsStart {
        offset: scanner.lead_bytes() + scanner.bytes(),
        line: scanner.line() + scanner.line_count(),
        skipped_lines: 0,
        blank_rows: scanner.blank_rows(),
    };
    let known = count_known_titles(scanner.raw(), char::from(DELIMITER), own);
    let has_address = scanner.raw().contains(&b'@') && known >= 2;
    let header = Header::parse(titles.iter().map(|title| known_title(title, own).map_or(&**title, str::as_bytes)));
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
fn check_separator(line: &[u8], own: &OwnTitles) -> Result<(), HeaderError> {
    let with_commas = count_known_titles(line, char::from(DELIMITER), own);
    for (delimiter, name) in sniff::OTHER_DELIMITERS {
        let known = count_known_titles(line, delimiter, own);
        if delimiter != char::from(DELIMITER) && known >= 2 && known > with_commas {
            return Err(HeaderError::DelimiterSuspected(name, "commas"));
        }
    }
    Ok(())
}

fn count_known_titles(line: &[u8], delimiter: char, own: &OwnTitles) -> usize {
    let line = String::from_utf8_lossy(line);
    let titles = line.split(delimiter).map(|part| part.trim().trim_matches('"'));
    titles.filter(|title| Field::from_spigit_title(title).is_some() || own.spigit_title(title).is_some()).count()
}

/// The title for which a title of the tenant stands.
fn known_title(title: &[u8], own: &OwnTitles) -> Option<&'static str> {
    own.spigit_title(std::str::from_utf8(title).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: &str = "EMAIL,USERNAME,FIRST_NM,LAST_NM";

    fn open(text: &[u8]) -> Result<Opening, Refusal> {
        find_rows(text, true, RecordLimits::default(), &OwnTitles::default())
    }

    fn open_head(text: &[u8]) -> Result<Opening, Refusal> {
        find_rows(text, false, RecordLimits::default(), &OwnTitles::default())
    }

    #[test]
    fn titles_of_the_tenant_are_replaced_by_those_for_which_they_stand() {
        let mut own = OwnTitles::default();
        for (title, column) in [("Mail", "EMAIL"), ("Kürzel", "login"), ("Vorname", "FIRST_NM"), ("Name", "LAST_NM")] {
            own.set(title, column).unwrap();
        }
        let open = |text: &str| find_rows(text.as_bytes(), true, RecordLimits::default(), &own);
        let titles = open("mail,Extra,\"KÜRZEL\",vorname,name\nx").unwrap().titles;
        assert_eq!(titles, ["EMAIL", "Extra", "USERNAME", "FIRST_NM", "LAST_NM"]);
        let semicolons = HeaderError::DelimiterSuspected("semicolons", "commas");
        assert_eq!(open("mail;kürzel;vorname;name\nx"), Err(semicolons.into()));
        let twice = open("Mail,EMAIL,Kürzel,Vorname,Name\nx");
        assert_eq!(twice, Err(HeaderError::ColumnDuplicate(1, 2).into()));
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
        assert_eq!(open_head(&one_line), Err(HeaderError::OneLine.into()));
        let too_long = vec![b'x'; 64 * 1024];
        assert_eq!(open_head(&too_long), Err(Refusal::HeaderTooLong));
    }
}
