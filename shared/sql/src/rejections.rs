//! Rejections as they are stored.

use muster_domain::rejection::Holder;
use muster_domain::{Rejection, RejectionCode, Warning, WarningCode};

use crate::row::{SqlRow, Unreadable};

/// A row of `list_rejections.sql`.
pub fn rejection(row: &impl SqlRow) -> Result<Rejection, Unreadable> {
    let rejection = Rejection::new(
        row.count("line")?,
        row.optional_text("column_title")?,
        code(row, "code")?,
        row.text("message")?,
    );
    let other = match row.optional_number("other_id")? {
        Some(id) => {
            Some(Holder { id, line: row.optional_count("other_line")?, blocked: row.boolean("other_blocked")? })
        }
        None => None,
    };
    Ok(Rejection { other, ..rejection.with_row(row.optional_count("row_no")?) })
}

/// A row of `list_warnings.sql`.
pub fn warning(row: &impl SqlRow) -> Result<Warning, Unreadable> {
    Ok(Warning {
        line: row.count("line")?,
        row: row.optional_count("row_no")?,
        column: row.text("column_title")?,
        code: WarningCode::parse(&row.text("code")?).ok_or(Unreadable("the code of a warning"))?,
    })
}

/// A column that holds the code of a rejection.
pub(crate) fn code(row: &impl SqlRow, column: &'static str) -> Result<RejectionCode, Unreadable> {
    RejectionCode::parse(&row.text(column)?).ok_or(Unreadable("the code of a rejection"))
}
