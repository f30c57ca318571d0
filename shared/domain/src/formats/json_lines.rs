//! JSON text with one object a line (NDJSON). Its records are lines, whatever is in them: a line that is no object fails
//! alone.

use crate::csv::{CsvSyntax, QuoteStyle};
use crate::scanner::RecordLimits;

/// The syntax by which a CSV scanner finds the lines. They have no cells: JSON text has no such separator.
pub fn syntax(limits: RecordLimits) -> CsvSyntax {
    CsvSyntax {
        delimiter: b'\0',
        quotes: QuoteStyle::Loose,
        limits,
        values: (0, usize::MAX),
        row_values: usize::MAX,
        is_title: |_| false,
    }
}
