//! What commands print.

use std::io::Write;

/// Prints a line on standard output. Unlike `println!`, it returns an error if standard output is closed.
pub(crate) fn print_line(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
