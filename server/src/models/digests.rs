//! The digests of installed files, so that each is read from its beginning to its end once: `<tag>.gguf.digest` beside the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Digest, disk::FileState};

#[derive(Serialize, Deserialize)]
struct Record {
    digest: String,
    of: FileState,
}

/// The digest of a file that is in this state, if it was kept. Blocks.
pub fn kept(file: &Path, state: &FileState) -> Option<Digest> {
    let record: Record = serde_json::from_slice(&fs::read(record_path(file)).ok()?).ok()?;
    if record.of != *state {
        return None;
    }
    Digest::parse(&record.digest)
}

/// Keep the digest of a file that is in its place. Where nothing can be written it is computed again some day. Blocks.
pub fn keep(file: &Path, digest: Digest) {
    let Ok(of) = FileState::of(file) else { return };
    let record = Record { digest: digest.to_string(), of };
    let json = serde_json::to_vec(&record).map_err(io::Error::from);
    if let Err(error) = json.and_then(|json| fs::write(record_path(file), json)) {
        tracing::debug!(%error, "a model's digest is not kept");
    }
}

/// Forget the digest of a file that is gone. Blocks.
pub fn forget(file: &Path) {
    // Mostly there is none.
    drop(fs::remove_file(record_path(file)));
}

fn record_path(file: &Path) -> PathBuf {
    file.with_added_extension("digest")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_digest_is_kept_until_the_file_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("135m.gguf");
        fs::write(&file, "GGUF").unwrap();
        let digest = Digest::of_file(&file).unwrap();
        let known = || kept(&file, &FileState::of(&file).unwrap());

        keep(&file, digest);
        assert_eq!(known(), Some(digest));
        fs::File::options().write(true).open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(known(), None);
        keep(&file, digest);
        fs::write(record_path(&file), "sha256:../../etc/passwd").unwrap();
        assert_eq!(known(), None);
        forget(&file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
