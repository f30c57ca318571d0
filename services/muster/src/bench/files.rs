//! What is imported. All files have the 22 columns of `muster generate`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::generate;

/// Users of the first seed are in the database when others come.
pub(super) const SEED: u64 = 1;
const OTHER_SEED: u64 = 2;
/// One row in so many repeats an earlier one.
pub(super) const REPEAT_EVERY: u64 = 100;
/// So seldom that what counts is the end of an epoch, not the looks at users who are there.
pub(super) const RARE_REPEAT_EVERY: u64 = 10_000;

/// New users, or known ones, depending on who is there.
pub(super) fn users(folder: &Path, rows: u64, seed: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("users-{seed}-{rows}.csv"));
    if !path.exists() {
        generate::write_spigit(writer(&path)?, rows, seed)?;
    }
    Ok(path)
}

/// The users of the first seed, each with two other values.
pub(super) fn changed(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join("changed.csv");
    let mut reader = csv::Reader::from_path(users(folder, rows, SEED)?)?;
    let mut out = csv::Writer::from_writer(writer(&path)?);
    out.write_record(reader.headers()?)?;
    for record in reader.records() {
        let record = record?;
        let values = record.iter().enumerate().map(|(column, value)| match column {
            // WORK_CITY and POSITION_LTXT.
            4 | 6 => format!("{value} 2"),
            _ => value.to_owned(),
        });
        out.write_record(values)?;
    }
    out.flush()?;
    Ok(path)
}

/// Known users of the first seed and new ones, in turn.
pub(super) fn half(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join("half.csv");
    let known = lines(&users(folder, rows, SEED)?)?;
    let fresh = lines(&users(folder, rows / 2, OTHER_SEED)?)?.skip(1);
    let mut out = writer(&path)?;
    let mut known = known;
    writeln!(out, "{}", known.next().context("a file has a title line")??)?;
    for (known, fresh) in known.zip(fresh) {
        writeln!(out, "{}\n{}", known?, fresh?)?;
    }
    out.flush()?;
    Ok(path)
}

/// Users of whom one row in a hundred is a row that stood anywhere before.
pub(super) fn repeats(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let mut place: u64 = 0;
    repeating(folder, rows, REPEAT_EVERY, |number| {
        // Scattered, and the same in every run.
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let earlier = 1 + (place >> 33) % (number - 1);
        // One that stands in the file, and is not a repeat itself.
        earlier + u64::from(earlier.is_multiple_of(REPEAT_EVERY))
    })
}

/// Users of whom one row in ten thousand is a row that stood a few batches before.
pub(super) fn rare_repeats(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    repeating(folder, rows, RARE_REPEAT_EVERY, |number| number - RARE_REPEAT_EVERY / 2)
}

/// Users whose rows with a number that `every` divides are those with the number that `earlier` gives for it.
fn repeating(folder: &Path, rows: u64, every: u64, mut earlier: impl FnMut(u64) -> u64) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("repeats-{every}.csv"));
    let rows_of_file = lines(&users(folder, rows, SEED)?)?.collect::<Result<Vec<_>, _>>()?;
    let mut out = writer(&path)?;
    for (number, row) in (0u64..).zip(&rows_of_file) {
        let repeats = number > 0 && number.is_multiple_of(every);
        let row = if repeats { &rows_of_file[usize::try_from(earlier(number))?] } else { row };
        writeln!(out, "{row}")?;
    }
    out.flush()?;
    Ok(path)
}

fn lines(path: &Path) -> anyhow::Result<std::io::Lines<BufReader<File>>> {
    Ok(BufReader::new(File::open(path)?).lines())
}

fn writer(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 16, File::create(path)?))
}
