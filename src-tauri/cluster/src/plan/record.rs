//! What is on disk: the plan under way, and what was applied before, for undo.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::{Cluster, Result, manifests::Manifests, state_file};

/// How far back undo can go.
const KEPT: usize = 10;

/// The plan with what it must remember across a restart and nobody is shown.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub plan: Plan,
    pub namespace: String,
    /// The digest of the manifests that the user has agreed to.
    pub agreed_to: Option<String>,
    /// The user has agreed to take fields over.
    pub agreed_to_force: bool,
    /// The namespace is there, and the user may not change it.
    pub leave_namespace: bool,
}

impl Record {
    pub fn read(state_folder: &Path) -> Result<Option<Self>> {
        state_file::read(&file(state_folder))
    }

    pub fn write(&self, state_folder: &Path) -> Result<()> {
        state_file::write(&file(state_folder), self)
    }
}

fn file(state_folder: &Path) -> PathBuf {
    state_folder.join("deploy-plan.json")
}

/// One deploy that went through.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Applied {
    pub at: i64,
    pub manifests: Manifests,
}

/// What was applied to one namespace of one cluster, newest last.
pub(crate) struct History {
    file: PathBuf,
}

impl History {
    pub fn of(cluster: &Cluster, state_folder: &Path) -> Self {
        let place = format!("{}/{}", cluster.context, cluster.namespace);
        // A context's name may hold anything, so it cannot be a file's name.
        let mark: String = Sha256::digest(place.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { file: state_folder.join(format!("applied-{mark}.json")) }
    }

    pub fn read(&self) -> Result<Vec<Applied>> {
        Ok(state_file::read(&self.file)?.unwrap_or_default())
    }

    /// Remember a deploy; the same one again is no new one.
    pub fn push(&self, at: i64, manifests: &Manifests) -> Result<()> {
        let mut history = self.read()?;
        if history.last().is_some_and(|last| last.manifests.digest() == manifests.digest()) {
            return Ok(());
        }
        history.push(Applied { at, manifests: manifests.clone() });
        let surplus = history.len().saturating_sub(KEPT);
        self.write(&history[surplus..])
    }

    /// Forget the newest deploy, after it was undone.
    pub fn pop(&self) -> Result<()> {
        let mut history = self.read()?;
        history.pop();
        self.write(&history)
    }

    /// Nothing of it is there any more.
    pub fn clear(&self) -> Result<()> {
        self.write(&[])
    }

    fn write(&self, history: &[Applied]) -> Result<()> {
        state_file::write(&self.file, &history)
    }
}
