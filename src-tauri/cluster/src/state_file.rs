//! Small JSON files that must be whole whenever the app dies: written beside, then renamed over.

use std::{fs, io::Write as _, path::Path};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, ErrorKind, Result};

/// What was written last; none when nothing was.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", file, &error)),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::lasting(
            ErrorKind::ClusterFailed,
            format!("{} is damaged ({error}). Move it away, then try again.", file.display()),
        )
    })
}

pub(crate) fn write<T: Serialize>(file: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| failed("write", file, &error.into()))?;
    replace(file, &bytes).map_err(|error| failed("write", file, &error))
}

pub(crate) fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", file, &error)),
        _ => Ok(()),
    }
}

fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("json.new");
    let mut written = fs::File::create(&new)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    fs::rename(&new, file)
}

fn failed(what: &str, file: &Path, error: &std::io::Error) -> Error {
    Error::passing(
        ErrorKind::ClusterFailed,
        format!("Cannot {what} {}: {error}. Check the disk's free space and the folder's permissions.", file.display()),
    )
}
