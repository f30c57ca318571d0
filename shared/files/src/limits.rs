//! How much is read of an archive.

/// How many times larger than its packed form a file may be.
pub(crate) const MAX_RATIO: u64 = 100;
/// How large a file may be at any ratio, in bytes.
pub(crate) const FREE_BYTES: u64 = 4 << 20;
/// The maximum memory of the texts of a workbook, in bytes.
pub(crate) const MAX_STRING_BYTES: usize = 64 << 20;
