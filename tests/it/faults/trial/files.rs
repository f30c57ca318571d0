//! Generated files whose rows the test keeps, so that it can predict their outcome.

use std::fmt::Write as _;

/// A file as rows of cells. Every personal value contains the word `canary`, which must appear only in
/// the database.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) titles: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

const ALL_TITLES: [&str; 7] = ["EMAIL", "USERNAME", "FIRST_NM", "LAST_NM", "WORK_CITY", "JOB_NM", "badge"];

/// A small random number generator with the same sequence on every machine for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// A number below `sides` (splitmix64).
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

impl File {
    /// One valid row for each of `rows` users, numbered from `first`.
    pub(crate) fn new_users(first: u64, rows: u64) -> Self {
        let titles = ALL_TITLES[..4].to_vec();
        let row = |n| vec![email(n), format!("canary{n}"), "canary First".to_owned(), "canary Last".to_owned()];
        Self { titles, rows: (first..first + rows).map(row).collect() }
    }

    /// `rows` rows of up to `users` users in random order. Users repeat with different cells, optional
    /// columns may be absent, empty cells clear values, and some rows are invalid.
    pub(crate) fn mixed(seed: u64, users: u64, rows: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut titles = ALL_TITLES[..4].to_vec();
        titles.extend(ALL_TITLES[4..].iter().filter(|_| dice.roll(3) > 0));
        let mut user = 0;
        let rows = (0..rows).map(|_| {
            // Sometimes the user of the previous row repeats.
            user = if dice.roll(20) == 0 { user } else { dice.roll(users) };
            mixed_row(&titles, user, &mut dice)
        });
        let rows = rows.collect();
        Self { titles, rows }
    }

    /// Formats the file as CSV.
    pub(crate) fn csv(&self) -> Vec<u8> {
        let mut text = self.titles.join(",");
        text.push('\n');
        for row in &self.rows {
            writeln!(text, "{}", row.join(",")).unwrap();
        }
        text.into_bytes()
    }
}

fn email(user: u64) -> String {
    format!("canary{user}@mail.example")
}

fn mixed_row(titles: &[&str], user: u64, dice: &mut Dice) -> Vec<String> {
    let mut cells: Vec<String> = titles
        .iter()
        .map(|title| match *title {
            "EMAIL" => email(user),
            // User names are compared without regard to case.
            "USERNAME" if dice.roll(9) == 0 => format!("Canary{user}"),
            "USERNAME" => format!("canary{user}"),
            "FIRST_NM" | "LAST_NM" => format!("canary {}", dice.roll(3)),
            _ if dice.roll(4) == 0 => String::new(),
            _ => format!("canary {}", dice.roll(3)),
        })
        .collect();
    match dice.roll(60) {
        0 => cells[0] = cells[0].replace('@', " without at "),
        1 => cells[1].clear(),
        2 => cells.truncate(2),
        _ => {}
    }
    cells
}
