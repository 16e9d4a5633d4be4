//! What is on disk: the plan under way, and what was applied before, for undo.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::{Change, Cluster, Result, k3d::K3dName, manifests::Manifests, state_file};

/// How far back undo can go.
const KEPT: usize = 10;

/// The plan with what it must remember across a restart and nobody is shown.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub plan: Plan,
    pub namespace: String,
    /// Which cluster it is for, once that has said so.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The k3d cluster that was being made; what is left of it when that was cut off is of no use.
    #[serde(default)]
    pub making_cluster: Option<K3dName>,
    /// What was built, by name: the names stay the same from build to build.
    #[serde(default)]
    pub image_ids: BTreeMap<String, String>,
    /// The digest of the manifests that the user has agreed to.
    pub agreed_to: Option<String>,
    /// The conflicts that the user has seen and agreed to take over.
    #[serde(default)]
    pub agreed_conflicts: Vec<Change>,
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

    /// Whether it is about Flotilla in this cluster's namespace.
    pub async fn is_of(&self, cluster: &Cluster) -> Result<bool> {
        Ok(self.namespace == cluster.namespace && self.cluster == Some(cluster.identity().await?))
    }
}

fn file(state_folder: &Path) -> PathBuf {
    state_folder.join("deploy-plan.json")
}

/// Forget the plan when it is for this cluster, where nothing of it is left.
pub(crate) async fn forget(cluster: &Cluster, state_folder: &Path) -> Result<()> {
    match Record::read(state_folder)? {
        Some(record) if record.is_of(cluster).await? => state_file::remove(&file(state_folder)),
        _ => Ok(()),
    }
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
    pub async fn of(cluster: &Cluster, state_folder: &Path) -> Result<Self> {
        let place = format!("{}/{}", cluster.identity().await?, cluster.namespace);
        let mark: String = Sha256::digest(place.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { file: state_folder.join(format!("applied-{mark}.json")) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fake_api, manifests::Overlay};

    #[tokio::test]
    async fn what_was_applied_to_one_cluster_is_not_the_history_of_another_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let cluster = async |uid| Cluster::with_client(fake_api::cluster(uid).await, "lab", "flotilla");
        let history = async |cluster: &Cluster| History::of(cluster, folder.path()).await.unwrap();
        let manifests = Manifests::of(Overlay::K3d).unwrap();
        history(&cluster("uid-1").await).await.push(1, &manifests).unwrap();

        assert_eq!(history(&cluster("uid-1").await).await.read().unwrap().len(), 1);
        assert_eq!(history(&cluster("uid-2").await).await.read().unwrap().len(), 0);
    }
}
