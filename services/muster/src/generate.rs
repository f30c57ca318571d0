//! `muster generate`: sample files, the same rows for the same seed.

use std::io::{BufWriter, Write};

use muster_domain::field::spigit_fields;
use muster_domain::{Dialect, collaborator};

use crate::cli::GenerateArgs;

pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<()> {
    let out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let written = if args.dialect == Dialect::Collaborator.as_str() {
        write_collaborator(out, args.rows, args.seed)
    } else {
        write_spigit(out, args.rows, args.seed)
    };
    match written {
        // Whoever reads has enough: `muster generate 1000000 | head`.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => Ok(result?),
    }
}

fn is_broken_pipe(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
}

const FIRST: [&str; 16] = [
    "Ada", "Björn", "Chiara", "David", "Elif", "Farah", "Goran", "Hana", "Ivan", "Jürgen", "Kofi", "Lena", "Mina",
    "Noah", "Olga", "Pavel",
];
const LAST: [&str; 16] = [
    "Almeida", "Baker", "Castro", "Dubois", "Evans", "Fischer", "García", "Haddad", "Ito", "Jensen", "Kowalski",
    "Lopez", "Müller", "Novak", "O'Brien", "Petrov",
];
const CITY: [&str; 8] = ["Kyiv", "Lisbon", "San Francisco", "Zürich", "Osaka", "Nairobi", "Austin", "Gdańsk"];
const STATE: [&str; 4] = ["CA", "TX", "NY", "WA"];
const POSITION: [(&str, &str); 4] = [
    ("Senior Developer", "Sr Dev"),
    ("Account Manager", "Acc Mgr"),
    ("Data Analyst", "Analyst"),
    ("Team Lead", "Lead"),
];
const UNIT: [(&str, &str); 4] = [
    ("Production, West", "Prod W"),
    ("Research and Development", "R&D"),
    ("Customer Care", "Care"),
    ("Finance", "Fin"),
];

/// Writes a file of all 22 columns, about 200 bytes a row. The first user has number 1.
pub(crate) fn write_spigit(out: impl Write, rows: u64, seed: u64) -> Result<(), csv::Error> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(spigit_fields().iter().map(|spec| spec.spigit_title))?;
    for number in 1..=rows {
        write_user(&mut writer, number, seed)?;
    }
    Ok(writer.flush()?)
}

/// The user name of a generated user.
pub(crate) fn username(number: u64, seed: u64) -> String {
    format!("user_{seed}_{number}")
}

fn write_user(writer: &mut csv::Writer<impl Write>, number: u64, seed: u64) -> Result<(), csv::Error> {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
    let (first, last, city) = (dice.pick(&FIRST), dice.pick(&LAST), dice.pick(&CITY));
    let (position, unit) = (dice.pick(&POSITION), dice.pick(&UNIT));
    let cost_centre = dice.below(900) + 100;
    writer.write_record([
        &format!("user{number}.{seed}@example.com"),
        &username(number, seed),
        *first,
        *last,
        *city,
        &format!("A{:06}", dice.below(1_000_000)),
        position.0,
        *dice.pick(&STATE),
        &format!("{:02}/{:02}/{}", dice.below(12) + 1, dice.below(28) + 1, 2000 + dice.below(25)),
        position.1,
        "Coder",
        "Entry level",
        unit.0,
        unit.1,
        &format!("CC{cost_centre}"),
        &format!("CC{cost_centre}01"),
        &format!("CC{cost_centre}011"),
        "US",
        &format!("{first} {}.", &last[..1]),
        &format!("NET{number:08}"),
        &format!("SPG-A{:06}", dice.below(1_000_000)),
        "SPG",
    ])
}

/// Writes a file of all 29 columns without passwords. The first user has number 1; every hundredth is the
/// manager of those behind it.
pub(crate) fn write_collaborator(out: impl Write, rows: u64, seed: u64) -> Result<(), csv::Error> {
    let mut writer = csv::WriterBuilder::new().delimiter(collaborator::DELIMITER).from_writer(out);
    writer.write_record(collaborator::column_names())?;
    for number in 1..=rows {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ number);
        let manager = number / 100 * 100;
        writer.write_record([
            &format!("{seed}-{number}"),
            *dice.pick(&LAST),
            *dice.pick(&FIRST),
            "",
            &username(number, seed),
            &format!("user{number}.{seed}@example.com"),
            "",
            &format!("{:02}.{:02}.{}", dice.below(28) + 1, dice.below(12) + 1, 1960 + dice.below(40)),
            ["0", "1"][usize::from(dice.below(2) == 1)],
            *dice.pick(&CITY),
            dice.pick(&UNIT).0,
            dice.pick(&POSITION).0,
            ["", "newcomer", "newcomer, mentor"][usize::try_from(dice.below(3)).unwrap_or_default()],
            &format!("+38097{:07}", dice.below(10_000_000)),
            "0",
            &format!("{}-{:02}-{:02}", 2000 + dice.below(25), dice.below(12) + 1, dice.below(28) + 1),
            "",
            "",
            "",
            &format!("unit-{}", dice.below(500)),
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

/// Repeatable dice: SplitMix64, the same on every machine and in every version.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let index = usize::try_from(self.below(of.len() as u64)).unwrap_or_default();
        &of[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collaborator_file_has_nothing_that_fails() {
        let mut out = Vec::new();
        write_collaborator(&mut out, 300, 1).unwrap();
        let rows = &out[out.iter().position(|byte| *byte == b'\n').unwrap() + 1..];
        let limits = muster_domain::record::RecordLimits::default();
        let checked = collaborator::check_batch(muster_domain::Format::Csv, limits, 2, 1, rows);
        assert_eq!((checked.row_count(), checked.rejections()), (300, [].as_slice()));
    }

    #[test]
    fn the_same_seed_makes_the_same_file() {
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
