//! Random files: users that repeat in other batches with other cells, short and long rows, invalid
//! rows, blank lines, and values that span lines.

mod collaborator;

use fastrand::Rng;

/// The kind of values in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Must not be blank.
    Required,
    Email,
    /// May be blank.
    Optional,
    Date,
}

/// A title of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) text: &'static str,
    /// The column of the user record, or `None` for an attribute.
    pub(crate) column: Option<&'static str>,
    pub(crate) kind: Kind,
}

const fn title(text: &'static str, column: Option<&'static str>, kind: Kind) -> Title {
    Title { text, column, kind }
}

const REQUIRED: [Title; 4] = [
    title("EMAIL", Some("email"), Kind::Email),
    title("USERNAME", Some("username"), Kind::Required),
    title("FIRST_NM", Some("first_name"), Kind::Required),
    title("LAST_NM", Some("last_name"), Kind::Required),
];
const OPTIONAL: [Title; 5] = [
    title("WORK_CITY", Some("work_city"), Kind::Optional),
    title("COMPANY_ID", Some("company_id"), Kind::Optional),
    title("INTF_PUBLISH_DT", Some("intf_publish_dt"), Kind::Date),
    title("badge", None, Kind::Optional),
    title("desk", None, Kind::Optional),
];

/// The user whose e-mail is contested. The first file of a tenant creates this user.
pub(crate) const KEEPER: &str = "keeper";

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The physical line on which it starts.
    pub(crate) line: u64,
    /// The byte offset at which it starts.
    pub(crate) offset: u64,
    /// Its cells, sometimes fewer or more than there are titles.
    pub(crate) cells: Vec<String>,
    /// The code with which its quotes fail it, if they do.
    pub(crate) broken_quote: Option<&'static str>,
}

/// One file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    /// Whether it is a file of the Collaborator API, whose rows are identified by uid. Otherwise it is a Spigit file.
    pub(crate) is_collaborator: bool,
    pub(crate) titles: Vec<Title>,
    pub(crate) lenient: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) text: String,
}

/// Generates the files of one tenant, all of one API. No two have the same size, so that the size identifies the file of
/// a job.
pub(crate) fn generate(rng: &mut Rng, count: usize) -> Vec<File> {
    let (users, is_collaborator) = (rng.usize(2..=14), rng.bool());
    let mut files: Vec<File> = Vec::new();
    for index in 0..count {
        let mut file = if is_collaborator {
            collaborator::generate(rng, users, index == 0)
        } else {
            let mut writer = Writer::new(rng, users, index == 0);
            writer.write(rng);
            writer.file
        };
        while files.iter().any(|other| other.text.len() == file.text.len()) {
            file.text.push('\n');
        }
        files.push(file);
    }
    files
}

struct Writer {
    file: File,
    users: usize,
    is_first: bool,
    line: u64,
    line_end: &'static str,
}

impl Writer {
    fn new(rng: &mut Rng, users: usize, is_first: bool) -> Self {
        let mut titles = REQUIRED.to_vec();
        titles.extend(OPTIONAL.into_iter().filter(|_| rng.bool()));
        rng.shuffle(&mut titles);
        let file = File { titles, lenient: rng.bool(), ..File::default() };
        Self { file, users, is_first, line: 1, line_end: if rng.bool() { "\n" } else { "\r\n" } }
    }

    fn write(&mut self, rng: &mut Rng) {
        if rng.u8(0..8) == 0 {
            self.file.text.push('\u{feff}');
        }
        let titles: Vec<&str> = self.file.titles.iter().map(|title| title.text).collect();
        self.push_line(&titles.join(","));
        if self.is_first {
            let cells = self.random_cells(rng, KEEPER, "keeper@x");
            self.push_row(cells, None);
        }
        let rows = if !self.is_first && rng.u8(0..30) == 0 { 0 } else { rng.usize(4..=36) };
        for _ in 0..rows {
            self.push_random_row(rng);
        }
        if rng.u8(0..8) == 0 {
            self.push_record("\"never closed", Vec::new(), Some("quote_unclosed"));
        }
    }

    fn push_random_row(&mut self, rng: &mut Rng) {
        if rng.u8(0..12) == 0 {
            self.push_line("");
        }
        // There are few users, so that they repeat within a batch and across batches.
        let user = rng.usize(0..self.users);
        let name = if rng.u8(0..6) == 0 { format!("USER{user}") } else { format!("user{user}") };
        let email = match rng.u8(0..20) {
            0 => format!("User{user}@x"),
            1 => format!("user{user}.b@x"),
            2 if !self.is_first => "keeper@x".to_owned(),
            3 => format!("user{user}"),
            // Hands on, swaps and rings.
            4..=6 => format!("user{}@x", rng.usize(0..self.users)),
            _ => format!("user{user}@x"),
        };
        let mut cells = self.random_cells(rng, &name, &email);
        let mut broken_quote = None;
        let defect = rng.u8(0..24);
        if defect < 3 {
            // A broken record costs its first line, and each of its other lines would be a record of its own.
            for cell in &mut cells {
                *cell = cell.replace('\n', " ");
            }
        }
        match defect {
            0 => cells.truncate(rng.usize(1..=cells.len())),
            1 => cells.push("more".to_owned()),
            2 => broken_quote = Some("quote_misplaced"),
            3 => {
                let position = rng.usize(0..cells.len());
                cells[position] = String::new();
            }
            _ => {}
        }
        self.push_row(cells, broken_quote);
    }

    fn random_cells(&self, rng: &mut Rng, name: &str, email: &str) -> Vec<String> {
        let value = |title: &Title| match (title.text, title.kind) {
            ("EMAIL", _) => email.to_owned(),
            ("USERNAME", _) => name.to_owned(),
            // The row of the keeper is always valid.
            (_, Kind::Date) if name == KEEPER => String::new(),
            (_, Kind::Date) => pick(rng, &["", "1/20/2019", "02/03/2020", "soon"]),
            ("desk", _) => pick(rng, &["", "window", "two\nlines", "a, b", "5\" wide"]),
            (_, Kind::Optional) => pick(rng, &["", "", "one", "two", " three "]),
            _ => pick(rng, &["Ann", "Bob", "Cid"]),
        };
        self.file.titles.iter().map(value).collect()
    }

    fn push_row(&mut self, cells: Vec<String>, broken_quote: Option<&'static str>) {
        if cells.iter().all(String::is_empty) {
            // A blank line is not a row.
            return self.push_line(&cells.join(","));
        }
        let mut record: Vec<String> = cells.iter().map(|cell| quote_if_needed(cell)).collect();
        if broken_quote.is_some() {
            "x\"y".clone_into(&mut record[0]);
        }
        self.push_record(&record.join(","), cells, broken_quote);
    }

    fn push_record(&mut self, record: &str, cells: Vec<String>, broken_quote: Option<&'static str>) {
        self.file.rows.push(Row { line: self.line, offset: self.file.text.len() as u64, cells, broken_quote });
        self.push_line(record);
    }

    fn push_line(&mut self, record: &str) {
        self.line += 1 + record.matches('\n').count() as u64;
        self.file.text.push_str(record);
        self.file.text.push_str(self.line_end);
    }
}

fn pick(rng: &mut Rng, values: &[&str]) -> String {
    values[rng.usize(0..values.len())].to_owned()
}

fn quote_if_needed(cell: &str) -> String {
    if cell.contains(['"', ',', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
