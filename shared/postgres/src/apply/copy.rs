//! Users in the text form of COPY.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format": values separated by tabs,
//! `\N` for null, backslash, tab and line ends escaped.

use std::io;

use muster_domain::RowDigest;
use muster_domain::plan::Write;
use muster_domain::profile::Version;
use muster_ports::BatchToApply;
use sqlx::postgres::PgConnection;

/// Collects lines and sends them.
#[derive(Default)]
pub(super) struct CopyText {
    buffer: Vec<u8>,
    /// How many of the characters that [`is_special`] names are structure of the line, not part of a value.
    structural_specials: usize,
    /// Whether some value of the line has such a character.
    needs_escaping: bool,
}

impl CopyText {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { buffer: Vec::with_capacity(rows * 300), ..Self::default() }
    }

    /// The columns `target_id, probed_job, probed_line` of the stage.
    pub(super) fn push_looked_up(&mut self, target: Option<(i64, Version)>) {
        match target {
            Some((id, version)) => {
                let columns = format_args!("{id}\t{}\t{}\t", version.job, version.line);
                io::Write::write_fmt(&mut self.buffer, columns).expect("writing to a vector cannot fail");
            }
            None => self.buffer.extend_from_slice(b"\\N\t\\N\t\\N\t"),
        }
    }

    /// The columns that `users` and its stage have in common, limited to the fields that the batch can set, and the end
    /// of the line.
    pub(super) fn push_user(&mut self, batch: &BatchToApply, write: &Write<'_>) {
        let start = self.buffer.len();
        (self.structural_specials, self.needs_escaping) = (0, false);
        self.push_columns(batch, write);
        // Few values need escaping, and checking a whole line once costs less than checking each value.
        let special = self.buffer[start..].iter().filter(|byte| is_special(**byte)).count();
        debug_assert!(special >= self.structural_specials, "the structural characters of a line are counted wrongly");
        if special > self.structural_specials {
            self.buffer.truncate(start);
            self.needs_escaping = true;
            self.push_columns(batch, write);
        }
    }

    fn push_columns(&mut self, batch: &BatchToApply, write: &Write<'_>) {
        let profile = &write.merged.profile;
        let version = format_args!("{}\t{}\t{}", batch.tenant, batch.job, write.line);
        io::Write::write_fmt(&mut self.buffer, version).expect("writing to a vector cannot fail");
        self.structural_specials += 2;
        self.push_digest(write.digest());
        self.push_value(Some(profile.username_key()));
        self.push_value(profile.email_key());
        self.push_value(profile.attributes_json().as_deref());
        self.push_value(profile.password_hash());
        for value in &profile.values()[..batch.rows.columns().fields().len()] {
            self.push_value(*value);
        }
        self.buffer.push(b'\n');
        self.structural_specials += 1;
    }

    /// In the hexadecimal form of `bytea`.
    fn push_digest(&mut self, digest: RowDigest) {
        self.buffer.extend_from_slice(b"\t\\\\x");
        self.structural_specials += 3;
        let digits = digest.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        self.buffer.extend(digits.map(|digit| b"0123456789abcdef"[usize::from(digit)]));
    }

    fn push_value(&mut self, value: Option<&str>) {
        self.buffer.push(b'\t');
        self.structural_specials += 1;
        match value {
            Some(value) if self.needs_escaping => self.push_escaped(value.as_bytes()),
            Some(value) => self.buffer.extend_from_slice(value.as_bytes()),
            None => {
                self.buffer.extend_from_slice(b"\\N");
                self.structural_specials += 1;
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
        let mut text = CopyText { needs_escaping: true, ..CopyText::default() };
        text.push_value(Some("a\\b\tc\nd\re"));
        text.push_value(None);
        assert_eq!(text.buffer, b"\ta\\\\b\\tc\\nd\\re\t\\N");
    }

    #[test]
    fn every_structural_special_character_is_counted() {
        let mut text = CopyText::default();
        text.push_digest(RowDigest([0xa7; 16]));
        text.push_value(Some("plain"));
        text.push_value(None);
        assert_eq!(text.buffer, format!("\t\\\\x{}\tplain\t\\N", "a7".repeat(16)).into_bytes());
        assert_eq!(text.structural_specials, text.buffer.iter().filter(|byte| is_special(**byte)).count());
    }
}
