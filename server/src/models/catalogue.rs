//! What is installed: the GGUF files of a folder.
//!
//! A file's place is its name, as in Ollama's library: `smollm2/135m.gguf` is `smollm2:135m`, and
//! `hf.co/bartowski/Qwen3-8B-GGUF/Q4_K_M.gguf` is `hf.co/bartowski/Qwen3-8B-GGUF:Q4_K_M`. What is said of a model is said of
//! the weights that it runs from ([`super::weights`]).

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::SystemTime,
};

use flotilla_engine::gguf::{self, Metadata};

use super::{Digest, digests, disk::FileState, weights};

/// A folder of GGUF files. It is read anew each time, because users and downloads put files there at any moment; a file's
/// header is read again only when its size or its time has changed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    folder: PathBuf,
    headers: Arc<Mutex<HashMap<PathBuf, Header>>>,
    is_hashing: Arc<AtomicBool>,
}

/// What is known of a file.
#[derive(Clone, Debug)]
struct Header {
    of: FileState,
    /// `None` for a file that is no model.
    metadata: Option<Arc<Metadata>>,
    /// `None` until the file was read in whole.
    digest: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledModel {
    /// For example `smollm2:135m`.
    pub name: String,
    /// The file that its name stands for.
    pub path: PathBuf,
    /// The one that it runs from; see [`weights_of`](weights::weights_of).
    pub weights: PathBuf,
    /// Of that file, as is what follows.
    pub size_bytes: u64,
    /// When it was last written; `None` where the file system keeps no such time.
    pub modified: Option<SystemTime>,
    /// What it says of itself; `None` when it is damaged.
    pub metadata: Option<Arc<Metadata>>,
    /// `None` while nobody has read the whole file; see [`Catalogue::learn_digests`].
    pub digest: Option<Digest>,
}

/// In bytes. Of a larger file that was not pulled here the digest stays unknown: reading it would take the disk for a minute,
/// and push out of the page cache the models that are in use.
const MAX_HASHED: u64 = 4 << 30;

impl Catalogue {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, headers: Arc::default(), is_hashing: Arc::default() }
    }

    /// All models, sorted by name. A folder that does not exist yet holds none. Blocks on the disk.
    pub fn installed(&self) -> io::Result<Vec<InstalledModel>> {
        let mut files = Vec::new();
        collect(&self.folder, "", MAX_DEPTH, &mut files)?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut headers = self.headers();
        let models = files.into_iter().map(|File { name, path, weights, size_bytes, modified }| {
            let state = FileState { size_bytes, modified };
            let header = headers.remove(&weights).filter(|header| header.of == state).unwrap_or_else(|| Header {
                metadata: gguf::read(&weights).ok().map(Arc::new),
                digest: digests::kept(&weights, &state),
                of: state,
            });
            let (metadata, digest) = (header.metadata.clone(), header.digest);
            let model = InstalledModel { name, path, weights: weights.clone(), size_bytes, modified, metadata, digest };
            (model, (weights, header))
        });
        let (models, known) = models.unzip();
        // Without those of files that are gone.
        *headers = known;
        Ok(models)
    }

    /// Read those of `models` whose digests are not known, in the background; [`Self::installed`] tells them from then on.
    pub fn learn_digests(&self, models: &[InstalledModel]) {
        let is_unknown = |model: &&InstalledModel| {
            model.digest.is_none() && model.metadata.is_some() && model.size_bytes <= MAX_HASHED
        };
        let unknown: Vec<_> = models.iter().filter(is_unknown).cloned().collect();
        if unknown.is_empty() || self.is_hashing.swap(true, Ordering::Relaxed) {
            return;
        }
        let catalogue = self.clone();
        // None of Tokio's threads, on which a server that ends would wait.
        thread::spawn(move || {
            unknown.iter().for_each(|model| catalogue.learn_digest(model));
            catalogue.is_hashing.store(false, Ordering::Relaxed);
        });
    }

    fn learn_digest(&self, model: &InstalledModel) {
        let Ok(digest) = Digest::of_file(&model.weights) else { return };
        let as_listed = FileState { size_bytes: model.size_bytes, modified: model.modified };
        // It may have changed meanwhile, or be gone.
        if !FileState::of(&model.weights).is_ok_and(|state| state == as_listed) {
            return;
        }
        digests::keep(&model.weights, digest);
        if let Some(header) = self.headers().get_mut(&model.weights)
            && header.of == as_listed
        {
            header.digest = Some(digest);
        }
    }

    fn headers(&self) -> MutexGuard<'_, HashMap<PathBuf, Header>> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delete an installed model with all its weights, and the folders that are empty without it. Blocks.
    pub fn delete(&self, model: &InstalledModel) -> io::Result<()> {
        weights::remove(&model.path)?;
        fs::remove_file(&model.path)?;
        digests::forget(&model.path);
        let folders = model.path.ancestors().skip(1).take_while(|folder| *folder != self.folder);
        // A folder with other models in it stays.
        folders.map(fs::remove_dir).take_while(Result::is_ok).for_each(drop);
        Ok(())
    }
}

struct File {
    name: String,
    path: PathBuf,
    weights: PathBuf,
    size_bytes: u64,
    modified: Option<SystemTime>,
}

/// `hf.co/owner/repo/quant.gguf` is the deepest name there is; more would only follow links in circles.
const MAX_DEPTH: u32 = 4;

fn collect(folder: &Path, prefix: &str, depth: u32, files: &mut Vec<File>) -> io::Result<()> {
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
            collect(&path, &prefix, depth - 1, files)?;
        } else if let Some(tag) = file_name.strip_suffix(".gguf").filter(|_| metadata.is_file() && !prefix.is_empty()) {
            let weights = weights::weights_of(&path);
            // Others than its own may have been taken back just now.
            let metadata = fs::metadata(&weights).unwrap_or(metadata);
            let (name, modified) = (format!("{prefix}:{tag}"), metadata.modified().ok());
            files.push(File { name, size_bytes: metadata.len(), modified, weights, path });
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
        let (_folder, catalogue) =
            catalogue_with(&["smollm2/135m.gguf.partial", "smollm2/135m.gguf.optimised", "README.md", "loose.gguf"]);

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
    fn deleting_a_model_takes_its_empty_folders_along_and_no_other() {
        let (folder, catalogue) = catalogue_with(&["hf.co/owner/repo/Q4_0.gguf", "hf.co/owner/other/Q4_0.gguf"]);
        let [other, repo] = &catalogue.installed().unwrap()[..] else { panic!("two are installed") };

        catalogue.delete(repo).unwrap();
        assert!(folder.path().join("hf.co/owner").exists() && !folder.path().join("hf.co/owner/repo").exists());
        catalogue.delete(other).unwrap();
        assert!(folder.path().exists() && !folder.path().join("hf.co").exists());
    }

    #[test]
    fn deleting_a_model_takes_all_its_weights_along() {
        let (folder, catalogue) = catalogue_with(&["smollm2/135m.gguf"]);
        for beside in ["optimised", "optimised.json", "optimised.partial", "optimised.lock"] {
            fs::write(folder.path().join("smollm2/135m.gguf").with_added_extension(beside), "").unwrap();
        }

        catalogue.delete(&catalogue.installed().unwrap()[0]).unwrap();

        assert!(!folder.path().join("smollm2").exists());
    }

    #[test]
    fn a_file_that_is_no_model_is_listed_without_facts() {
        let (_folder, catalogue) = catalogue_with(&["smollm2/135m.gguf"]);

        assert_eq!(catalogue.installed().unwrap()[0].metadata, None);
    }
}
