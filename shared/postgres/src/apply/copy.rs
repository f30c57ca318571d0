//! Users in the text form of COPY.
//!
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format": values separated by tabs,
//! `\N` for null, backslash, tab and line ends escaped.

use std::io::Write as _;

use muster_domain::TenantId;
use muster_domain::profile::{Profile, Version};
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
                write!(self.buffer, "{id}\t{}\t{}\t", version.job, version.line).expect("a vector takes all");
            }
            None => self.buffer.extend_from_slice(b"\\N\t\\N\t\\N\t"),
        }
    }

    /// The columns that `users` and its stage have in common, and the end of the line.
    pub(super) fn push_user(&mut self, tenant: TenantId, version: Version, profile: &Profile<'_>) {
        write!(self.buffer, "{tenant}\t{}\t{}\t", version.job, version.line).expect("a vector takes all");
        self.push_value(Some(profile.username_key()));
        self.buffer.push(b'\t');
        self.push_value(profile.email_key());
        for value in profile.values() {
            self.buffer.push(b'\t');
            self.push_value(*value);
        }
        self.buffer.push(b'\t');
        self.push_value(profile.attributes_json().as_deref());
        self.buffer.push(b'\t');
        self.push_value(profile.password_hash());
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
