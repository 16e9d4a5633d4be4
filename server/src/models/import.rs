//! A file of this computer becomes a model: `flotilla pull ./model.gguf`.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use flotilla_engine::gguf;

use super::{
    ModelName, PullError,
    disk::{check_room, open_locked},
    pull::Registries,
    weights,
};

/// What the file of a model is called while it is copied: `<tag>.gguf.copy`.
const COPY: &str = ".gguf.copy";

impl Registries {
    /// Copy a GGUF file of this computer into the models folder. Blocks.
    pub fn import(&self, file: &Path, name: &ModelName) -> Result<(), PullError> {
        gguf::read(file).map_err(|error| PullError::Refused(error.to_string()))?;
        let place = name.file(&self.folder);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        remove_left_overs(&self.folder)?;
        check_room(&place, fs::metadata(file)?.len())?;
        let copy = place.with_added_extension("copy");
        let locked = open_locked(&copy)?;
        let copied = copy_over(file, &locked).and_then(|()| fs::rename(&copy, &place));
        copied.inspect_err(|_| drop(fs::remove_file(&copy)))?;
        Ok(weights::remove(&place)?)
    }
}

fn copy_over(file: &Path, mut copy: &File) -> io::Result<()> {
    copy.set_len(0)?;
    io::copy(&mut File::open(file)?, &mut copy)?;
    copy.sync_all()
}

/// Remove the copies of programs that were killed. Who still writes one has locked it.
fn remove_left_overs(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            remove_left_overs(&path)?;
        } else if entry.file_name().to_string_lossy().ends_with(COPY)
            && let Ok(_locked) = open_locked(&path)
        {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
