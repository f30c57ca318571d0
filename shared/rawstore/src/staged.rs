//! Staged uploads: unfinished files in a local folder.
//!
//! `object_store` writes an upload to `KEY#1` and renames the file at the end. It neither lists nor deletes staged
//! files, so without this module those of a killed process would stay forever.

use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

use muster_ports::{RawStoreError, StoredUpload};

/// Returns whether the key is that of a staged upload.
pub(crate) fn is_staged(key: &str) -> bool {
    key.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Lists the staged uploads in a folder, including those that are still being written.
pub(crate) async fn list(folder: PathBuf) -> Result<Vec<StoredUpload>, RawStoreError> {
    #[expect(clippy::disallowed_methods, reason = "adapters do not run in the simulation")]
    let listing = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        collect(&folder, &folder, &mut found).map(|()| found)
    });
    listing.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(unavailable)
}

/// Removes a staged upload. Succeeds if it does not exist.
pub(crate) async fn delete(folder: &Path, key: &str) -> Result<(), RawStoreError> {
    let inside = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside || !is_staged(key) {
        return Err(unavailable(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    let file = folder.join(key);
    #[expect(clippy::disallowed_methods, reason = "adapters do not run in the simulation")]
    let removing = tokio::task::spawn_blocking(move || std::fs::remove_file(file));
    match removing.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable(error)),
        _ => Ok(()),
    }
}

fn unavailable(error: io::Error) -> RawStoreError {
    RawStoreError::Unavailable(Box::new(error))
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<StoredUpload>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file that has disappeared meanwhile belongs to an upload that was finished or aborted.
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => collect(root, &entry.path(), found)?,
            Ok(meta) => found.extend(read_entry(root, &entry, &meta)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the staged upload that a directory entry describes, if any.
fn read_entry(root: &Path, entry: &DirEntry, meta: &Metadata) -> Option<StoredUpload> {
    let path = entry.path();
    let key = path.strip_prefix(root).ok()?.to_str().filter(|key| is_staged(key))?;
    let since_epoch = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(StoredUpload { key: key.to_owned(), stored_ms: i64::try_from(since_epoch.as_millis()).ok()? })
}
