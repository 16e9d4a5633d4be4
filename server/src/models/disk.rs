//! What the models folder's disk has to do: hold files that one program at a time writes, and keep what was renamed.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

/// What stays free for everything else.
const SPARE_BYTES: u64 = 256 << 20;

/// There is less room than is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is not enough room on the disk: {needed} MB are needed and {free} MB are free")]
pub struct NoRoom {
    /// In MB, with what is to stay free.
    pub needed: u64,
    pub free: u64,
}

/// By which a file is known again: whoever changes it changes one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    pub size_bytes: u64,
    /// `None` where the file system keeps no such time.
    pub modified: Option<SystemTime>,
}

impl FileState {
    /// Blocks.
    pub fn of(file: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(file)?;
        Ok(Self { size_bytes: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// Whether `bytes` more fit the disk of the folder around `place`. Blocks.
pub fn check_room(place: &Path, bytes: u64) -> Result<(), NoRoom> {
    let needed = bytes.saturating_add(SPARE_BYTES);
    match free_bytes(place) {
        Some(free) if free < needed => Err(NoRoom { needed: needed / 1_000_000, free: free / 1_000_000 }),
        _ => Ok(()),
    }
}

/// What a user's program may still write to the disk of the folder around `place`.
#[cfg(unix)]
fn free_bytes(place: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(place.parent()?).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// Open a file for as long as no other program has it open in this way. Whoever is killed lets go of it.
///
/// A program that finishes in between renames or removes the file that was just opened here; then there is another to open.
pub fn open_locked(path: &Path) -> Result<File, TryLockError> {
    loop {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.map_err(TryLockError::Error)?;
        file.try_lock()?;
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// An open file is not renamed there.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Remove a file that need not be there. Blocks.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Without it a power cut could undo what was renamed or removed in the folder around `place`. Blocks.
pub fn sync_folder(place: &Path) -> io::Result<()> {
    match place.parent() {
        Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
