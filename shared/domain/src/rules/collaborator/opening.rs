//! Where the rows of a Collaborator CSV file start.

use super::titles::position_of_title;
use super::{DELIMITER, KEYS, MAX_COLUMNS, csv_syntax};
use crate::csv::CsvScanner;
use crate::file::RowsStart;
use crate::header::HeaderError;
use crate::own_titles::OwnTitles;
use crate::scanner::{RecordLimits, Scan, Scanner};
use crate::sniff::{self, Opening, Refusal};

/// How many records at the start of a file may stand above its titles.
const MAX_RECORDS_ABOVE_TITLES: usize = 20;

/// The cells of a row that hold dates, by position.
const DATE_CELLS: [usize; 3] = [7, 15, 18];
/// The cells of a row that hold a single digit.
const DIGIT_CELLS: [usize; 2] = [8, 14];
/// The cell of a row that holds an e-mail.
const EMAIL_CELL: usize = 5;

/// Finds where the rows start in the first text of a file, without its byte order mark. `complete` says that the text is
/// the whole file. `own` are the titles of the tenant.
pub fn find_rows(text: &[u8], complete: bool, limits: RecordLimits, own: &OwnTitles) -> Result<Opening, Refusal> {
    let titles = Titles(own);
    let head = read_head(text, complete, limits, titles)?;
    let title_line = head.iter().take_while(|record| !record.is_row()).position(|record| record.is_titles);
    let Some(title_line) = title_line else {
        // Titles in another language, or none.
        let first = head.iter().find(|record| !record.is_separator_line()).ok_or(Refusal::FileEmpty)?;
        check_separator(first, titles)?;
        let start = if first.is_row() { first.start() } else { first.end() };
        return Ok(Opening { titles: Vec::new(), start });
    };
    let mut cells = head[title_line].cells.clone();
    cells.truncate(cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1));
    check_order(&cells, titles)?;
    Ok(Opening { start: head[title_line].end(), titles: cells })
}

/// The titles that a file may have: those of the tenant and the known ones.
#[derive(Clone, Copy)]
struct Titles<'a>(&'a OwnTitles);

impl Titles<'_> {
    fn position(self, cell: &str) -> Option<usize> {
        self.0.collaborator_position(cell).or_else(|| position_of_title(cell))
    }

    fn has(self, cell: &str) -> bool {
        self.position(cell).is_some()
    }

    /// Whether the values are titles: at least three are, and more than half of those that are not empty.
    fn are_in(self, cells: &[String]) -> bool {
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        let known = cells.iter().filter(|cell| self.has(cell)).count();
        known >= 3 && known * 2 > filled
    }
}

/// A record at the start of a file.
struct Record {
    cells: Vec<String>,
    /// Whether its values are titles.
    is_titles: bool,
    /// The whole record as text.
    line_text: String,
    /// How many records and how many blank rows stand above it.
    records_above: u64,
    blank_above: u64,
    first_line: u64,
    next_line: u64,
    first_offset: u64,
    end_offset: u64,
}

impl Record {
    /// The start of the rows if this is the first one.
    fn start(&self) -> RowsStart {
        self.rows_start(self.first_offset, self.first_line)
    }

    /// The start of the rows if these are the titles.
    fn end(&self) -> RowsStart {
        self.rows_start(self.end_offset, self.next_line)
    }

    fn rows_start(&self, offset: u64, line: u64) -> RowsStart {
        RowsStart { offset, line, skipped_lines: self.records_above, blank_rows: self.blank_above }
    }

    fn is_separator_line(&self) -> bool {
        self.line_text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep="))
    }

    /// Whether the values are those of a user.
    fn is_row(&self) -> bool {
        let cell = |position: usize| self.cells.get(position).map(String::as_str).unwrap_or_default();
        let is_digit = |text: &str| text.len() == 1 && text.as_bytes()[0].is_ascii_digit();
        !self.is_titles
            && (cell(EMAIL_CELL).contains('@')
                || DATE_CELLS.iter().any(|position| super::values::is_date(cell(*position)))
                || DIGIT_CELLS.iter().any(|position| is_digit(cell(*position))))
    }
}

fn read_head(text: &[u8], complete: bool, limits: RecordLimits, titles: Titles<'_>) -> Result<Vec<Record>, Refusal> {
    let mut syntax = csv_syntax(limits);
    // Titles are looked for here, and must not be skipped.
    syntax.is_title = |_| false;
    let mut scanner = CsvScanner::new(syntax, 1);
    let (mut rest, mut offset) = (text, 0);
    let mut head = Vec::new();
    while head.len() <= MAX_RECORDS_ABOVE_TITLES {
        match scanner.scan(rest, complete).map_err(Refusal::Json)? {
            Scan::Record(_) => {
                let first_offset = offset + scanner.lead_bytes();
                offset = first_offset + scanner.bytes();
                let cells = (0..scanner.field_count()).filter_map(|at| scanner.field(at));
                let cells: Vec<String> = cells.map(|cell| trimmed(&cell)).collect();
                head.push(Record {
                    is_titles: titles.are_in(&cells),
                    cells,
                    line_text: trimmed(scanner.raw()),
                    records_above: head.len() as u64,
                    blank_above: scanner.blank_rows(),
                    first_line: scanner.line(),
                    next_line: scanner.line() + scanner.line_count(),
                    first_offset,
                    end_offset: offset,
                });
            }
            Scan::NeedInput if head.is_empty() => return Err(Refusal::HeaderTooLong),
            Scan::NeedInput | Scan::End => break,
        }
        rest = &[];
    }
    if head.is_empty() { Err(Refusal::FileEmpty) } else { Ok(head) }
}

fn trimmed(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Fails if the values seem to be separated by a character other than a semicolon.
fn check_separator(first: &Record, titles: Titles<'_>) -> Result<(), Refusal> {
    let known = |delimiter: char| first.line_text.split(delimiter).filter(|part| titles.has(part)).count();
    let with_semicolons = known(char::from(DELIMITER));
    for (delimiter, name) in sniff::OTHER_DELIMITERS {
        if delimiter != char::from(DELIMITER) && known(delimiter) >= 2 && known(delimiter) > with_semicolons {
            return Err(HeaderError::DelimiterSuspected(name, "semicolons").into());
        }
    }
    if first.cells.len() > 1 {
        return Ok(());
    }
    let most =
        sniff::OTHER_DELIMITERS.into_iter().max_by_key(|(delimiter, _)| first.line_text.matches(*delimiter).count());
    match most.filter(|(delimiter, _)| first.line_text.contains(*delimiter)) {
        Some((_, name)) => Err(HeaderError::DelimiterSuspected(name, "semicolons").into()),
        None => Err(Refusal::DelimiterMissing),
    }
}

/// Fails if the titles say that the columns are in another order.
fn check_order(cells: &[String], titles: Titles<'_>) -> Result<(), Refusal> {
    let positions: Vec<Option<usize>> = cells.iter().map(|cell| titles.position(cell)).collect();
    let is_moved = |(at, position): (usize, &Option<usize>)| position.is_some_and(|position| position != at);
    if !positions.iter().enumerate().any(is_moved) {
        return Ok(());
    }
    let found = positions.iter().map(|position| position.map_or("?", |position| KEYS[position].0));
    let found: Vec<&str> = found.collect();
    let expected: Vec<&str> = KEYS.iter().take(found.len().clamp(6, MAX_COLUMNS)).map(|(key, _)| *key).collect();
    Err(HeaderError::ColumnOrder { found: found.join(", "), expected: expected.join(", ") }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<(Vec<String>, u64, u64), Refusal> {
        open_with(text, &OwnTitles::default())
    }

    fn open_with(text: &str, own: &OwnTitles) -> Result<(Vec<String>, u64, u64), Refusal> {
        let opening = find_rows(text.as_bytes(), true, RecordLimits::default(), own)?;
        let first = &text[usize::try_from(opening.start.offset).unwrap()..];
        assert_eq!(text.len() - first.len(), usize::try_from(opening.start.offset).unwrap());
        Ok((opening.titles, opening.start.line, opening.start.skipped_lines))
    }

    const TITLES: &str = "ID;Прізвище;Ім'я;По батькові;Логін";

    #[test]
    fn the_rows_start_after_the_titles_whatever_stands_above() {
        let titles: Vec<String> = TITLES.split(';').map(str::to_owned).collect();
        let row = "1;Berg;Ada;;ada";
        for (text, line, skipped) in [
            (format!("{TITLES}\n{row}\n"), 2, 0),
            (format!("\n\n{TITLES}\r\n{row}"), 4, 0),
            (format!("sep=;\n{TITLES}\n{row}\n"), 3, 1),
            (format!("Export of users;;\nof today;;;\n{TITLES}\n{row}\n"), 4, 2),
            (format!("Export of users\n{TITLES}\n{row}\n"), 3, 1),
            (format!("{TITLES};;;\n{row}\n"), 2, 0),
        ] {
            assert_eq!(open(&text), Ok((titles.clone(), line, skipped)), "{text:?}");
        }
        let (_, line, _) = open("ID;Прізвище;\"Ім'я\nя\";По батькові;Логін\n1;a;b;;c").unwrap();
        assert_eq!(line, 3, "a title may span lines");
    }

    #[test]
    fn a_first_line_with_values_of_a_user_is_a_row() {
        for row in [
            "1;Berg;Ada;;ada;ada@example.net",
            "1;Berg;Ada;;ada;;;20.01.1990",
            "1;Berg;Ada;;ada;;;;1",
            "1;Berg;Ada;;ada;;;;;;;;;;0",
        ] {
            assert_eq!(open(&format!("{row}\n")), Ok((Vec::new(), 1, 0)), "{row}");
            assert_eq!(open(&format!("sep=;\n{row}\n")), Ok((Vec::new(), 2, 1)), "{row}");
        }
        assert_eq!(open("x;y;z\n1;2;3\n"), Ok((Vec::new(), 2, 0)), "other titles");
    }

    #[test]
    fn titles_of_the_tenant_are_titles() {
        let mut own = OwnTitles::default();
        for (title, column) in [("Nr", "uid"), ("Nachname", "secondname"), ("Vorname", "FIRST_NM"), ("Konto", "login")]
        {
            own.set(title, column).unwrap();
        }
        let text = "Export\nNr;Nachname;Vorname;;Konto\n1;Berg;Ada;;ada\n";
        let titles: Vec<String> = ["Nr", "Nachname", "Vorname", "", "Konto"].map(str::to_owned).to_vec();
        assert_eq!(open_with(text, &own), Ok((titles, 3, 1)));
        assert_eq!(open(text), Err(Refusal::DelimiterMissing), "without them, the first line has the titles");
        let moved = open_with("Konto;Nachname;Vorname;;Nr\n", &own);
        assert!(matches!(moved, Err(Refusal::Header(HeaderError::ColumnOrder { .. }))), "{moved:?}");
    }

    #[test]
    fn other_separators_and_orders_are_refused() {
        for (text, name) in [
            ("ID,Прізвище,Ім'я,Логін\n", "commas"),
            ("ID,Прізвище,Ім'я;x,Логін\n", "commas"),
            ("ID\tПрізвище\tІм'я\n", "tabs"),
            ("1,Berg,Ada\n", "commas"),
        ] {
            assert_eq!(open(text), Err(HeaderError::DelimiterSuspected(name, "semicolons").into()), "{text}");
        }
        assert_eq!(open("Users\n1\n"), Err(Refusal::DelimiterMissing));
        let Err(Refusal::Header(error)) = open("E-mail;Логін;Ім'я;Прізвище;ID\n") else {
            panic!("accepted")
        };
        assert_eq!(
            error.to_string(),
            "the columns are in the order email, login, firstname, secondname, uid; expected uid, secondname, \
             firstname, patronymic, login, email: columns are read by their position"
        );
        assert_eq!(open(""), Err(Refusal::FileEmpty));
    }
}
