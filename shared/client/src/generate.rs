//! Sample files: the same seed always produces the same rows.

use std::io::{self, Write};

use muster_domain::field::spigit_fields;
use muster_domain::{Dialect, collaborator};

const FIRST_NAMES: [&str; 16] = [
    "Ada", "Björn", "Chiara", "David", "Elif", "Farah", "Goran", "Hana", "Ivan", "Jürgen", "Kofi", "Lena", "Mina",
    "Noah", "Olga", "Pavel",
];
const LAST_NAMES: [&str; 16] = [
    "Almeida", "Baker", "Castro", "Dubois", "Evans", "Fischer", "García", "Haddad", "Ito", "Jensen", "Kowalski",
    "Lopez", "Müller", "Novak", "O'Brien", "Petrov",
];
const CITIES: [&str; 8] = ["Kyiv", "Lisbon", "San Francisco", "Zürich", "Osaka", "Nairobi", "Austin", "Gdańsk"];
const STATES: [&str; 4] = ["CA", "TX", "NY", "WA"];
const POSITIONS: [(&str, &str); 4] = [
    ("Senior Developer", "Sr Dev"),
    ("Account Manager", "Acc Mgr"),
    ("Data Analyst", "Analyst"),
    ("Team Lead", "Lead"),
];
const UNITS: [(&str, &str); 4] = [
    ("Production, West", "Prod W"),
    ("Research and Development", "R&D"),
    ("Customer Care", "Care"),
    ("Finance", "Fin"),
];

/// Writes a sample file of a dialect. Users are numbered from 1.
pub fn write(out: impl Write, dialect: Dialect, rows: u64, seed: u64) -> io::Result<()> {
    match dialect {
        Dialect::Spigit => write_spigit(out, rows, seed),
        Dialect::Collaborator => write_collaborator(out, rows, seed),
    }
}

/// Writes a Spigit file of all 22 columns, about 200 bytes a row.
pub fn write_spigit(out: impl Write, rows: u64, seed: u64) -> io::Result<()> {
    write_spigit_rows(out, rows, seed).map_err(into_io_error)
}

/// Writes a Collaborator file of all 29 columns, without passwords. Every hundredth user is the manager of the users
/// that follow.
pub fn write_collaborator(out: impl Write, rows: u64, seed: u64) -> io::Result<()> {
    write_collaborator_rows(out, rows, seed).map_err(into_io_error)
}

/// Keeps the kind of an I/O error, such as a broken pipe; the conversion of `csv` loses it.
fn into_io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("the sample file is not valid CSV: {other:?}")),
    }
}

fn write_spigit_rows(out: impl Write, rows: u64, seed: u64) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(spigit_fields().iter().map(|spec| spec.spigit_title))?;
    for number in 1..=rows {
        write_user(&mut writer, number, seed)?;
    }
    Ok(writer.flush()?)
}

/// The user name of a generated user.
pub fn username(number: u64, seed: u64) -> String {
    format!("user_{seed}_{number}")
}

fn write_user(writer: &mut csv::Writer<impl Write>, number: u64, seed: u64) -> Result<(), csv::Error> {
    let mut random = Random::for_user(number, seed);
    let (first, last, city) = (random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES), random.pick(&CITIES));
    let (position, unit) = (random.pick(&POSITIONS), random.pick(&UNITS));
    let cost_center = random.below(900) + 100;
    writer.write_record([
        &format!("user{number}.{seed}@example.com"),
        &username(number, seed),
        *first,
        *last,
        *city,
        &format!("A{:06}", random.below(1_000_000)),
        position.0,
        *random.pick(&STATES),
        &format!("{:02}/{:02}/{}", random.below(12) + 1, random.below(28) + 1, 2000 + random.below(25)),
        position.1,
        "Coder",
        "Entry level",
        unit.0,
        unit.1,
        &format!("CC{cost_center}"),
        &format!("CC{cost_center}01"),
        &format!("CC{cost_center}011"),
        "US",
        &format!("{first} {}.", &last[..1]),
        &format!("NET{number:08}"),
        &format!("SPG-A{:06}", random.below(1_000_000)),
        "SPG",
    ])
}

fn write_collaborator_rows(out: impl Write, rows: u64, seed: u64) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().delimiter(collaborator::DELIMITER).from_writer(out);
    writer.write_record(collaborator::column_names())?;
    for number in 1..=rows {
        let mut random = Random::for_user(number, seed);
        let manager = number / 100 * 100;
        writer.write_record([
            &format!("{seed}-{number}"),
            *random.pick(&LAST_NAMES),
            *random.pick(&FIRST_NAMES),
            "",
            &username(number, seed),
            &format!("user{number}.{seed}@example.com"),
            "",
            &format!("{:02}.{:02}.{}", random.below(28) + 1, random.below(12) + 1, 1960 + random.below(40)),
            ["0", "1"][usize::from(random.below(2) == 1)],
            *random.pick(&CITIES),
            random.pick(&UNITS).0,
            random.pick(&POSITIONS).0,
            ["", "newcomer", "newcomer, mentor"][usize::try_from(random.below(3)).unwrap_or_default()],
            &format!("+38097{:07}", random.below(10_000_000)),
            "0",
            &format!("{}-{:02}-{:02}", 2000 + random.below(25), random.below(12) + 1, random.below(28) + 1),
            "",
            "",
            "",
            &format!("unit-{}", random.below(500)),
            "",
            "",
            "",
            "",
            "uk",
            "",
            "",
            "",
            &if manager == 0 { String::new() } else { format!("{seed}-{manager}") },
        ])?;
    }
    Ok(writer.flush()?)
}

/// A repeatable random number generator: SplitMix64, the same on every machine and in every version.
struct Random(u64);

impl Random {
    fn for_user(number: u64, seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number)
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(values.len() as u64)).unwrap_or_default();
        &values[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_of_a_collaborator_file_is_rejected() {
        let mut out = Vec::new();
        write_collaborator(&mut out, 300, 1).unwrap();
        let rows = &out[out.iter().position(|byte| *byte == b'\n').unwrap() + 1..];
        let limits = muster_domain::scanner::RecordLimits::default();
        let checked = collaborator::check_text(muster_domain::Format::Csv, limits, 2, 1, rows);
        assert_eq!((checked.row_count(), checked.rejections()), (300, [].as_slice()));
    }

    #[test]
    fn the_same_seed_produces_the_same_file() {
        let file = |seed| {
            let mut out = Vec::new();
            write_spigit(&mut out, 50, seed).unwrap();
            out
        };
        assert_eq!(file(1), file(1));
        assert_ne!(file(1), file(2));
        assert_eq!(String::from_utf8(file(1)).unwrap().lines().count(), 51);
    }
}
