//! The models on this machine: GGUF files in a folder.
//!
//! A file's place is its name, as in Ollama's library: `smollm2/135m.gguf` is `smollm2:135m`, and
//! `hf.co/bartowski/Qwen3-8B-GGUF/Q4_K_M.gguf` is `hf.co/bartowski/Qwen3-8B-GGUF:Q4_K_M`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

/// The model that set-up fetches, so that a new installation answers at once.
pub const STARTER: &str = "smollm2:135m";

/// A folder of GGUF files. It is read anew each time, because users and downloads put files there at any moment.
#[derive(Clone, Debug)]
pub struct Catalogue {
    folder: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledModel {
    /// For example `smollm2:135m`.
    pub name: String,
    pub path: PathBuf,
    pub size_bytes: u64,
    /// `None` where the file system keeps no such time.
    pub modified_at: Option<DateTime<Utc>>,
}

impl Catalogue {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// All models, sorted by name. A folder that does not exist yet holds none. Blocks on the disk.
    pub fn installed(&self) -> io::Result<Vec<InstalledModel>> {
        let mut models = Vec::new();
        collect(&self.folder, "", MAX_DEPTH, &mut models)?;
        models.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(models)
    }
}

/// The name with its tag: `qwen2.5` means `qwen2.5:latest`, as in Ollama.
pub fn full_name(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// One sentence on what a model is good for, where we know it.
pub fn description(name: &str) -> Option<&'static str> {
    (name == STARTER).then_some(
        "A very small model that answers at once on any computer; it is weak, often wrong, and meant for trying things out.",
    )
}

/// `hf.co/owner/repo/quant.gguf` is the deepest name there is; more would only follow links in circles.
const MAX_DEPTH: u32 = 4;

fn collect(folder: &Path, prefix: &str, depth: u32, models: &mut Vec<InstalledModel>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        // A name that is not Unicode could not be asked for, and a link may lead nowhere.
        let (Some(file_name), Ok(metadata)) = (path.file_name().and_then(|name| name.to_str()), fs::metadata(&path))
        else {
            continue;
        };
        if metadata.is_dir() && depth > 1 {
            let prefix = if prefix.is_empty() { file_name.to_owned() } else { format!("{prefix}/{file_name}") };
            collect(&path, &prefix, depth - 1, models)?;
        } else if let Some(tag) = file_name.strip_suffix(".gguf").filter(|_| metadata.is_file() && !prefix.is_empty()) {
            models.push(InstalledModel {
                name: format!("{prefix}:{tag}"),
                size_bytes: metadata.len(),
                modified_at: metadata.modified().ok().map(DateTime::from),
                path,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue_with(files: &[&str]) -> (tempfile::TempDir, Catalogue) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "GGUF").unwrap();
        }
        let catalogue = Catalogue::new(folder.path().to_owned());
        (folder, catalogue)
    }

    fn names(catalogue: &Catalogue) -> Vec<String> {
        catalogue.installed().unwrap().into_iter().map(|model| model.name).collect()
    }

    #[test]
    fn a_files_place_is_its_name() {
        let (_folder, catalogue) = catalogue_with(&["smollm2/135m.gguf", "hf.co/owner/repo/Q4_K_M.gguf"]);

        assert_eq!(names(&catalogue), ["hf.co/owner/repo:Q4_K_M", "smollm2:135m"]);
    }

    #[test]
    fn other_files_and_unfinished_downloads_are_no_models() {
        let (_folder, catalogue) = catalogue_with(&["smollm2/135m.gguf.partial", "README.md", "loose.gguf"]);

        assert_eq!(names(&catalogue), Vec::<String>::new());
    }

    #[test]
    fn a_folder_that_is_not_there_holds_no_models() {
        let folder = tempfile::tempdir().unwrap();

        assert_eq!(names(&Catalogue::new(folder.path().join("missing"))), Vec::<String>::new());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_a_circle_is_not_followed_for_ever() {
        let (folder, catalogue) = catalogue_with(&["smollm2/135m.gguf"]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("smollm2/again")).unwrap();

        assert!(names(&catalogue).contains(&"smollm2:135m".to_owned()));
    }

    #[test]
    fn a_name_without_a_tag_means_latest() {
        assert_eq!(full_name("qwen2.5"), "qwen2.5:latest");
        assert_eq!(full_name("qwen2.5:0.5b"), "qwen2.5:0.5b");
        assert_eq!(full_name("localhost:5000/team/qwen"), "localhost:5000/team/qwen:latest");
    }
}
