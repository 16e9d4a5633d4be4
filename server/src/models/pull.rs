//! One pull: find the file, see that there is room, download, check digest and header, put it in its place.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flotilla_engine::gguf;
use tokio::time::{Instant, sleep};

use super::{
    Digest, ModelName, PullError, RemoteFile, digests, disk,
    download::{blocking, download},
    hugging_face,
    name::Source,
    ollama_registry,
    partial::{self, Partial},
    site::Site,
};
use crate::{backoff::Backoff, config::ModelSettings, store::job::Stage};

/// Where models come from, and the folder that they go to. Cheap to clone.
#[derive(Clone)]
pub struct Registries {
    pub(super) folder: PathBuf,
    ollama: Site,
    hugging_face: Site,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub stage: Stage,
    pub digest: Option<Digest>,
    pub done_bytes: u64,
    /// Unknown until the registry has told.
    pub total_bytes: Option<u64>,
}

/// How often a registry is asked for a model before the user hears that it does not answer.
const LOOKUPS: u32 = 4;

impl Registries {
    pub fn new(settings: &ModelSettings) -> anyhow::Result<Self> {
        Ok(Self {
            folder: settings.models_dir()?,
            ollama: Site::new("the Ollama library", "OLLAMA_REGISTRY_URL", &settings.ollama_registry_url)?,
            hugging_face: Site::new("Hugging Face", "HUGGING_FACE_URL", &settings.hugging_face_url)?,
        })
    }

    /// Install a model; `false` when it was installed already. What is there of it is not fetched again; on failure, and when
    /// this is dropped, what has come so far stays for the next try.
    pub async fn pull(&self, name: &ModelName, progress: &(impl Fn(Progress) + Sync)) -> Result<bool, PullError> {
        let place = name.file(&self.folder);
        progress(Progress { stage: Stage::Resolving, digest: None, done_bytes: 0, total_bytes: None });
        let (site, remote) = self.find(name).await?;
        let at = |stage, done_bytes| {
            progress(Progress { stage, digest: Some(remote.digest), done_bytes, total_bytes: Some(remote.size) });
        };
        let (installed, digest) = (place.clone(), remote.digest);
        let looks_the_same = fs::metadata(&place).is_ok_and(|file| file.len() == remote.size);
        if looks_the_same {
            at(Stage::Verifying, remote.size);
            if blocking(move || Ok(Digest::of_file(&installed)? == digest)).await? {
                return Ok(false);
            }
        }
        let partial = {
            let (place, remote) = (place.clone(), remote.clone());
            blocking(move || open(&place, &remote)).await?
        };
        let partial = Arc::new(partial);
        download(site, &remote, &partial, &|done| at(Stage::Downloading, done)).await?;
        at(Stage::Verifying, remote.size);
        // In two steps, so that a pull that is cancelled while it is verified installs nothing.
        let (verified, remote) = (Arc::clone(&partial), remote.clone());
        blocking(move || verify(&verified, &remote)).await?;
        blocking(move || {
            partial.install()?;
            digests::keep(&place, digest);
            Ok(())
        })
        .await?;
        Ok(true)
    }

    /// Forget what an unfinished pull has left.
    pub async fn give_up(&self, name: &ModelName) -> Result<(), PullError> {
        let place = name.file(&self.folder);
        let mut tries = 0;
        loop {
            let place = place.clone();
            // Threads that wait for the disk let go of it a moment after the pull was dropped.
            match blocking(move || partial::remove_left_over(&place)).await {
                Err(PullError::InUse) if tries < 50 => sleep(Duration::from_millis(100)).await,
                result => return result,
            }
            tries += 1;
        }
    }

    async fn find(&self, name: &ModelName) -> Result<(&Site, RemoteFile), PullError> {
        let mut backoff = Backoff::default();
        let mut tries = 0;
        loop {
            let started = Instant::now();
            let (site, found) = match name.source() {
                Source::OllamaLibrary { namespace, model } => {
                    (&self.ollama, ollama_registry::find(&self.ollama, name, namespace, model).await)
                }
                Source::HuggingFace { owner, repository } => {
                    (&self.hugging_face, hugging_face::find(&self.hugging_face, name, owner, repository).await)
                }
            };
            tries += 1;
            match found {
                Err(error) if error.is_temporary() && tries < LOOKUPS => sleep(backoff.pause(started.elapsed())).await,
                found => return Ok((site, found?)),
            }
        }
    }
}

/// The unfinished file, if there is room for the rest of it.
fn open(place: &Path, remote: &RemoteFile) -> Result<Partial, PullError> {
    let partial = Partial::open(place, remote)?;
    if let Err(no_room) = disk::check_room(place, remote.size - partial.done_bytes()) {
        if partial.done_bytes() == 0 {
            partial.remove()?;
        }
        return Err(no_room.into());
    }
    Ok(partial)
}

/// Check what came; what is wrong is removed.
fn verify(partial: &Partial, remote: &RemoteFile) -> Result<(), PullError> {
    let path = partial.path();
    let checked = match Digest::of_file(&path)? == remote.digest {
        true => gguf::read(&path).map(drop).map_err(PullError::from),
        false => Err(PullError::DigestMismatch),
    };
    if checked.is_err() {
        partial.remove()?;
    }
    checked
}
