//! Users in the text form of COPY.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format": values separated by tabs,
//! `\N` for null, backslash, tab and line ends escaped.

use std::io;

use muster_domain::field::{FIELD_COUNT, SPIGIT_FIELD_COUNT};
use muster_domain::plan::Write;
use muster_domain::profile::Version;
use muster_domain::{Dialect, RowDigest};
use muster_ports::BatchToApply;
use sqlx::postgres::PgConnection;

/// Collects lines and sends them.
#[derive(Default)]
pub(super) struct CopyText {
    buffer: Vec<u8>,
    /// How many of the characters that [`is_special`] names belong to the form of the line, and not to values.
    of_form: usize,
    /// Whether values may have such characters.
    escapes: bool,
}

impl CopyText {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { buffer: Vec::with_capacity(rows * 300), ..Self::default() }
    }

    /// The columns `target_id, probed_job, probed_line` of the stage.
    pub(super) fn push_target(&mut self, target: Option<(i64, Version)>) {
        match target {
            Some((id, version)) => {
                let columns = format_args!("{id}\t{}\t{}\t", version.job, version.line);
                io::Write::write_fmt(&mut self.buffer, columns).expect("a vector takes all");
            }
            None => self.buffer.extend_from_slice(b"\\N\t\\N\t\\N\t"),
        }
    }

    /// The columns that `users` and its stage have in common, and the end of the line. Of a Spigit file only
    /// those that it can have.
    pub(super) fn push_user(&mut self, batch: &BatchToApply, write: &Write<'_>) {
        let start = self.buffer.len();
        (self.of_form, self.escapes) = (0, false);
        self.push_columns(batch, write);
        // Few values have anything to escape, and one look at a whole line costs less than one at each value.
        let special = self.buffer[start..].iter().filter(|byte| is_special(**byte)).count();
        debug_assert!(special >= self.of_form, "the form of a line is counted wrongly");
        if special > self.of_form {
            self.buffer.truncate(start);
            self.escapes = true;
            self.push_columns(batch, write);
        }
    }

    fn push_columns(&mut self, batch: &BatchToApply, write: &Write<'_>) {
        let profile = &write.folded.profile;
        let version = format_args!("{}\t{}\t{}", batch.tenant, batch.job, write.line);
        io::Write::write_fmt(&mut self.buffer, version).expect("a vector takes all");
        self.of_form += 2;
        self.push_digest(write.digest());
        self.push_value(Some(profile.username_key()));
        self.push_value(profile.email_key());
        let is_spigit = batch.rows.dialect() == Dialect::Spigit;
        for value in &profile.values()[..if is_spigit { SPIGIT_FIELD_COUNT } else { FIELD_COUNT }] {
            self.push_value(*value);
        }
        self.push_value(profile.attributes_json().as_deref());
        if !is_spigit {
            self.push_value(profile.password_hash());
        }
        self.buffer.push(b'\n');
        self.of_form += 1;
    }

    /// In the hexadecimal form of `bytea`.
    fn push_digest(&mut self, digest: RowDigest) {
        self.buffer.extend_from_slice(b"\t\\\\x");
        self.of_form += 3;
        let digits = digest.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        self.buffer.extend(digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }

    fn push_value(&mut self, value: Option<&str>) {
        self.buffer.push(b'\t');
        self.of_form += 1;
        match value {
            Some(value) if self.escapes => self.push_escaped(value.as_bytes()),
            Some(value) => self.buffer.extend_from_slice(value.as_bytes()),
            None => {
                self.buffer.extend_from_slice(b"\\N");
                self.of_form += 1;
            }
        }
    }

    fn push_escaped(&mut self, mut rest: &[u8]) {
        while let Some(position) = rest.iter().position(|byte| is_special(*byte)) {
            self.buffer.extend_from_slice(&rest[..position]);
            self.buffer.push(b'\\');
            self.buffer.push(match rest[position] {
                b'\t' => b't',
                b'\n' => b'n',
                b'\r' => b'r',
                other => other,
            });
            rest = &rest[position + 1..];
        }
        self.buffer.extend_from_slice(rest);
    }

    /// Sends everything by the given COPY statement.
    pub(super) async fn send(self, connection: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
        let mut copy = connection.copy_in_raw(statement).await?;
        copy.send(self.buffer).await?;
        copy.finish().await?;
        Ok(())
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        let mut text = CopyText { escapes: true, ..CopyText::default() };
        text.push_value(Some("a\\b\tc\nd\re"));
        text.push_value(None);
        assert_eq!(text.buffer, b"\ta\\\\b\\tc\\nd\\re\t\\N");
    }

    #[test]
    fn every_special_character_of_the_form_is_counted() {
        let mut text = CopyText::default();
        text.push_digest(RowDigest([0xa7; 16]));
        text.push_value(Some("plain"));
        text.push_value(None);
        assert_eq!(text.buffer, format!("\t\\\\x{}\tplain\t\\N", "a7".repeat(16)).into_bytes());
        assert_eq!(text.of_form, text.buffer.iter().filter(|byte| is_special(**byte)).count());
    }
}
