//! What a process that was killed left of uploads in a local folder.
//!
//! `object_store` writes an upload to `KEY#1` and renames it at the end. It neither lists nor
//! deletes such files, so that they would stay for ever.

use std::fs::{DirEntry, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};

use muster_ports::{RawStoreError, StoredUpload};

/// Whether a key is that of an upload that was not finished.
pub(crate) fn is_staged(key: &str) -> bool {
    key.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The unfinished uploads in a folder, also those that are being written.
pub(crate) async fn list(folder: PathBuf) -> Result<Vec<StoredUpload>, RawStoreError> {
    #[expect(clippy::disallowed_methods, reason = "an adapter, which no simulation runs")]
    let looking = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        collect(&folder, &folder, &mut found).map(|()| found)
    });
    looking.await.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(unavailable)
}

/// Removes an unfinished upload. One that is not there is no error.
pub(crate) async fn delete(folder: &Path, key: &str) -> Result<(), RawStoreError> {
    let inside = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
    if !inside || !is_staged(key) {
        return Err(unavailable(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    let file = folder.join(key);
    #[expect(clippy::disallowed_methods, reason = "an adapter, which no simulation runs")]
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
        // What is gone meanwhile was finished or given up.
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => collect(root, &entry.path(), found)?,
            Ok(meta) => found.extend(staged(root, &entry, &meta)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn staged(root: &Path, entry: &DirEntry, meta: &Metadata) -> Option<StoredUpload> {
    let path = entry.path();
    let key = path.strip_prefix(root).ok()?.to_str().filter(|key| is_staged(key))?;
    let since_1970 = meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(StoredUpload { key: key.to_owned(), stored_ms: i64::try_from(since_1970.as_millis()).ok()? })
}
