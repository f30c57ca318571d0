//! A file of 22 columns and about 200 bytes a row, as `muster generate` writes it.

use std::process::Command;
use std::sync::LazyLock;

use muster_domain::Header;

pub(crate) const ROWS: u32 = 100_000;
/// As many as a batch has at most.
pub(crate) const BATCH_ROWS: u32 = 2000;

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let generated = Command::new(env!("CARGO_BIN_EXE_muster")).args(["generate", &ROWS.to_string()]).output();
    generated.expect("muster generates a sample").stdout
});

/// The whole file.
pub(crate) fn file() -> &'static [u8] {
    &FILE
}

/// The title line and the records of a batch.
pub(crate) fn batch() -> (Header, &'static [u8]) {
    let mut ends = memchr_lines(file());
    let titles_end = ends.next().expect("the file has a title line");
    let end = ends.nth(BATCH_ROWS as usize - 1).expect("the file has enough rows");
    let titles = file()[..titles_end - 1].split(|byte| *byte == b',');
    (Header::parse(titles).expect("the titles are known"), &file()[titles_end..end])
}

fn memchr_lines(text: &[u8]) -> impl Iterator<Item = usize> {
    text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(position, _)| position + 1)
}
