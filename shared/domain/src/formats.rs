//! How files are written: finding their records, and the checks on their first bytes.

mod buffer;
pub mod charset;
pub mod csv;
pub mod file_type;
pub mod header;
pub mod json_array;
pub mod json_lines;
pub mod scanner;
pub mod similar;
pub mod sniff;
pub mod workbook_cell;
