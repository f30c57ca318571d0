//! Leaves some space free: the disk may also hold a database, which must be able to go on.

use std::io;
use std::path::PathBuf;

use muster_ports::RawStoreError;

/// The part of the disk that is left free, up to [`MAX_FLOOR_BYTES`].
const FLOOR_PERCENT: u64 = 5;
/// The maximum number of bytes that are left free.
const MAX_FLOOR_BYTES: u64 = 1 << 30;

/// The disk of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Disk(pub(crate) PathBuf);

impl Disk {
    /// Fails if writing this number of bytes would leave too little space.
    pub(crate) fn check(&self, bytes: u64) -> Result<(), RawStoreError> {
        // A folder whose disk cannot be examined is written to as far as it goes.
        let Ok(found) = rustix::fs::statvfs(&self.0) else { return Ok(()) };
        let free = found.f_bavail.saturating_mul(found.f_frsize);
        if free >= floor(found.f_blocks.saturating_mul(found.f_frsize)).saturating_add(bytes) {
            return Ok(());
        }
        Err(RawStoreError::Full(Box::new(io::Error::from(io::ErrorKind::StorageFull))))
    }
}

/// How much of a disk of this size is left free.
fn floor(total: u64) -> u64 {
    (total / 100 * FLOOR_PERCENT).min(MAX_FLOOR_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_disk_is_left_free() {
        assert_eq!(floor(100 << 20), 5 << 20);
        assert_eq!(floor(10 << 40), 1 << 30);
        let disk = Disk(std::env::temp_dir());
        assert!(disk.check(0).is_ok());
        assert!(matches!(disk.check(u64::MAX), Err(RawStoreError::Full(_))));
    }
}
