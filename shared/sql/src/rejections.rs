//! Rejections as they are stored.

use muster_domain::{Rejection, RejectionCode};

use crate::row::{SqlRow, Unreadable};

/// A row of `list_rejections.sql`.
pub fn rejection(row: &impl SqlRow) -> Result<Rejection, Unreadable> {
    let rejection = Rejection::new(
        row.count("line")?,
        row.optional_text("column_title")?,
        code(row, "code")?,
        row.text("message")?,
    );
    Ok(rejection.with_row(row.optional_count("row_no")?))
}

/// A column that holds the code of a rejection.
pub(crate) fn code(row: &impl SqlRow, column: &'static str) -> Result<RejectionCode, Unreadable> {
    RejectionCode::parse(&row.text(column)?).ok_or(Unreadable("the code of a rejection"))
}
