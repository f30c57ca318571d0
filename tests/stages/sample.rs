//! A file with 22 columns and about 200 bytes per row, written by `muster generate`.

use std::process::Command;
use std::sync::LazyLock;

use muster_domain::Header;

pub(crate) const ROWS: u32 = 100_000;
/// The maximum number of rows in a batch.
pub(crate) const BATCH_ROWS: u32 = 2000;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let generated = Command::new(env!("CARGO_BIN_EXE_muster")).args(["generate", &ROWS.to_string()]).output();
    generated.expect("`muster generate` can be started").stdout
});

/// The whole file.
pub(crate) fn file() -> &'static [u8] {
    &FILE
}

/// The parsed title line, and the records of the first batch.
pub(crate) fn batch() -> (Header, &'static [u8]) {
    let mut ends = line_ends(file());
    let titles_end = ends.next().expect("the file has a title line");
    let end = ends.nth(BATCH_ROWS as usize - 1).expect("the file has enough rows");
    let titles = file()[..titles_end - 1].split(|byte| *byte == b',');
    (Header::parse(titles).expect("the titles are known"), &file()[titles_end..end])
}

fn line_ends(text: &[u8]) -> impl Iterator<Item = usize> {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(position, _)| position + 1)
}
