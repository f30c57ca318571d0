//! Files as the simulation's clients send them: keys that come again in other batches with other
//! cells, partial rows, rows that fail for every reason, blank lines, values of several lines.

use fastrand::Rng;

/// What a title stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value that every row needs.
    Required,
    Email,
    /// A value that may be blank.
    Optional,
    Date,
}

/// A title of a file: its text, its name in the user's record, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Title {
    pub(crate) text: &'static str,
    /// The column; nothing for an attribute.
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

/// The user whose e-mail others claim in vain. The first file of a tenant makes it.
pub(crate) const KEEPER: &str = "keeper";

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The physical line on which it starts.
    pub(crate) line: u64,
    /// Where it starts, in bytes.
    pub(crate) offset: u64,
    /// Its cells; fewer or more than there are titles, at times.
    pub(crate) cells: Vec<String>,
    /// A quote stands where none may be.
    pub(crate) misplaced_quote: bool,
}

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) titles: Vec<Title>,
    pub(crate) lenient: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) text: String,
    /// The line of a quote that does not end.
    pub(crate) unclosed: Option<u64>,
}

/// The files of one tenant. Each has a size of its own, by which its job is known.
pub(crate) fn files(rng: &mut Rng, how_many: usize) -> Vec<File> {
    let users = rng.usize(2..=14);
    let mut files: Vec<File> = Vec::new();
    for index in 0..how_many {
        let mut writer = Writer::new(rng, users, index == 0);
        writer.write(rng);
        let mut file = writer.file;
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
    first: bool,
    line: u64,
    line_end: &'static str,
}

impl Writer {
    fn new(rng: &mut Rng, users: usize, first: bool) -> Self {
        let mut titles = REQUIRED.to_vec();
        titles.extend(OPTIONAL.into_iter().filter(|_| rng.bool()));
        rng.shuffle(&mut titles);
        let file = File { titles, lenient: rng.bool(), rows: Vec::new(), text: String::new(), unclosed: None };
        Self { file, users, first, line: 1, line_end: if rng.bool() { "\n" } else { "\r\n" } }
    }

    fn write(&mut self, rng: &mut Rng) {
        if rng.u8(0..8) == 0 {
            self.file.text.push('\u{feff}');
        }
        let titles: Vec<&str> = self.file.titles.iter().map(|title| title.text).collect();
        self.put(&titles.join(","));
        if self.first {
            let cells = self.cells(rng, KEEPER, "keeper@x");
            self.row(cells, false);
        }
        let rows = if !self.first && rng.u8(0..30) == 0 { 0 } else { rng.usize(4..=36) };
        for _ in 0..rows {
            self.any_row(rng);
        }
        if rng.u8(0..8) == 0 {
            self.file.unclosed = Some(self.line);
            self.file.text.push_str("\"never closed");
        }
    }

    fn any_row(&mut self, rng: &mut Rng) {
        if rng.u8(0..12) == 0 {
            self.put("");
        }
        // Often the user of the row before: such rows stay in one batch.
        let user = rng.usize(0..self.users);
        let name = if rng.u8(0..6) == 0 { format!("USER{user}") } else { format!("user{user}") };
        let email = match rng.u8(0..20) {
            0 => format!("User{user}@x"),
            1 => format!("user{user}.b@x"),
            2 if !self.first => "keeper@x".to_owned(),
            3 => format!("user{user}"),
            _ => format!("user{user}@x"),
        };
        let mut cells = self.cells(rng, &name, &email);
        let mut misplaced_quote = false;
        match rng.u8(0..24) {
            0 => cells.truncate(rng.usize(1..=cells.len())),
            1 => cells.push("more".to_owned()),
            2 => misplaced_quote = true,
            3 => {
                let position = rng.usize(0..cells.len());
                cells[position] = String::new();
            }
            _ => {}
        }
        self.row(cells, misplaced_quote);
    }

    fn cells(&self, rng: &mut Rng, name: &str, email: &str) -> Vec<String> {
        let value = |title: &Title| match (title.text, title.kind) {
            ("EMAIL", _) => email.to_owned(),
            ("USERNAME", _) => name.to_owned(),
            // The keeper's row is always good.
            (_, Kind::Date) if name == KEEPER => String::new(),
            (_, Kind::Date) => pick(rng, &["", "1/20/2019", "02/03/2020", "soon"]),
            ("desk", _) => pick(rng, &["", "window", "two\nlines", "a, b", "5\" wide"]),
            (_, Kind::Optional) => pick(rng, &["", "", "one", "two", " three "]),
            _ => pick(rng, &["Ann", "Bob", "Cid"]),
        };
        self.file.titles.iter().map(value).collect()
    }

    fn row(&mut self, cells: Vec<String>, misplaced_quote: bool) {
        if cells == [""] {
            // A blank line is no row.
            return self.put("");
        }
        let (line, offset) = (self.line, self.file.text.len() as u64);
        let mut record: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        if misplaced_quote {
            "x\"y".clone_into(&mut record[0]);
        }
        self.put(&record.join(","));
        self.file.rows.push(Row { line, offset, cells, misplaced_quote });
    }

    fn put(&mut self, record: &str) {
        self.line += 1 + record.matches('\n').count() as u64;
        self.file.text.push_str(record);
        self.file.text.push_str(self.line_end);
    }
}

fn pick(rng: &mut Rng, values: &[&str]) -> String {
    values[rng.usize(0..values.len())].to_owned()
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
