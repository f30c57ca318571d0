//! Users in the text form of COPY.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format": values separated by tabs,
//! `\N` for null, backslash, tab and line ends escaped.

use std::io;

use muster_domain::Dialect;
use muster_domain::field::{FIELD_COUNT, SPIGIT_FIELD_COUNT};
use muster_domain::plan::Write;
use muster_domain::profile::Version;
use muster_ports::BatchToApply;
use sqlx::postgres::PgConnection;

/// Collects lines and sends them.
#[derive(Default)]
pub(super) struct CopyText {
    buffer: Vec<u8>,
}

impl CopyText {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Self { buffer: Vec::with_capacity(rows * 300) }
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
        let profile = &write.folded.profile;
        io::Write::write_fmt(
            &mut self.buffer,
            format_args!("{}\t{}\t{}\t{}\t", batch.tenant, batch.job, write.line, write.digest()),
        )
        .expect("a vector takes all");
        self.push_value(Some(profile.username_key()));
        self.buffer.push(b'\t');
        self.push_value(profile.email_key());
        let is_spigit = batch.rows.dialect() == Dialect::Spigit;
        for value in &profile.values()[..if is_spigit { SPIGIT_FIELD_COUNT } else { FIELD_COUNT }] {
            self.buffer.push(b'\t');
            self.push_value(*value);
        }
        self.buffer.push(b'\t');
        self.push_value(profile.attributes_json().as_deref());
        if !is_spigit {
            self.buffer.push(b'\t');
            self.push_value(profile.password_hash());
        }
        self.buffer.push(b'\n');
    }

    fn push_value(&mut self, value: Option<&str>) {
        let Some(value) = value else { return self.buffer.extend_from_slice(b"\\N") };
        let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r');
        let mut rest = value.as_bytes();
        while let Some(position) = rest.iter().position(special) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        let mut text = CopyText::default();
        text.push_value(Some("a\\b\tc\nd\re"));
        text.push_value(None);
        assert_eq!(text.buffer, b"a\\\\b\\tc\\nd\\re\\N");
    }
}
