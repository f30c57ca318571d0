//! The files to import. All have the 22 columns of `muster generate`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use muster_client::generate;

/// The users that are in the database before other files are imported.
pub(crate) const SEED: u64 = 1;
const OTHER_SEED: u64 = 2;
/// One row in this many repeats an earlier one.
pub(crate) const REPEAT_EVERY: u64 = 100;
/// Rare enough that the cost is that of ending an epoch, not that of looking up existing users.
pub(crate) const RARE_REPEAT_EVERY: u64 = 10_000;

/// A file of users. Whether they are new depends on what was imported before.
pub(crate) fn users(folder: &Path, rows: u64, seed: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("users-{seed}-{rows}.csv"));
    if !path.exists() {
        generate::write_spigit(create(&path)?, rows, seed)?;
    }
    Ok(path)
}

/// The users of [`SEED`], each with two changed values.
pub(crate) fn changed(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join("changed.csv");
    let mut reader = csv::Reader::from_path(users(folder, rows, SEED)?)?;
    let mut out = csv::Writer::from_writer(create(&path)?);
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

/// Existing users, of [`SEED`], alternating with new users.
pub(crate) fn half(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let path = folder.join("half.csv");
    let mut known = lines(&users(folder, rows, SEED)?)?;
    let fresh = lines(&users(folder, rows / 2, OTHER_SEED)?)?.skip(1);
    let mut out = create(&path)?;
    writeln!(out, "{}", known.next().context("a file has a title line")??)?;
    for (known, fresh) in known.zip(fresh) {
        writeln!(out, "{}\n{}", known?, fresh?)?;
    }
    out.flush()?;
    Ok(path)
}

/// Users, with one row in a hundred replaced by any earlier row.
pub(crate) fn repeats(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    let mut random: u64 = 0;
    with_repeats(folder, rows, REPEAT_EVERY, |number| {
        // A random sequence that is the same in every run.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let earlier = 1 + (random >> 33) % (number - 1);
        // Not a row that is itself replaced.
        earlier + u64::from(earlier.is_multiple_of(REPEAT_EVERY))
    })
}

/// Users, with one row in ten thousand replaced by a row a few batches earlier.
pub(crate) fn rare_repeats(folder: &Path, rows: u64) -> anyhow::Result<PathBuf> {
    with_repeats(folder, rows, RARE_REPEAT_EVERY, |number| number - RARE_REPEAT_EVERY / 2)
}

/// Users, with every row whose number is a multiple of `every` replaced by the row whose number `earlier` returns.
fn with_repeats(folder: &Path, rows: u64, every: u64, mut earlier: impl FnMut(u64) -> u64) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("repeats-{every}.csv"));
    let rows_of_file = lines(&users(folder, rows, SEED)?)?.collect::<Result<Vec<_>, _>>()?;
    let mut out = create(&path)?;
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

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(1 << 16, File::create(path)?))
}
