//! Files inside other files: the only file in a ZIP archive, and a sheet of an Excel workbook, which is read as CSV text.
//!
//! An archive is stored as it was received, and read in ranges. Nothing of it is unpacked to a disk, and no more memory
//! is used than the limits of each module say.

mod archive;
mod error;
mod limited;
mod limits;
mod ranged;
mod stream;
pub mod workbook;
mod xml;

pub use archive::Archive;
pub use error::ArchiveError;
pub use stream::{ArchiveContent, Archives, TextStream, read_bytes};
