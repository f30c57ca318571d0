//! How files are written: finding their records, and the checks on their first bytes.

mod buffer;
pub mod header;
pub mod json_array;
pub mod loose_csv;
pub mod scanner;
pub mod sniff;
pub mod strict_csv;
