//! Which cluster it is. A context's name says little: two files may use the same one, and k3d gives it to the next
//! cluster of the same name.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use tokio::sync::OnceCell;

use crate::{ErrorKind, Result, connection::answer, state_file};

/// Every cluster has this namespace from its first to its last day.
const SYSTEM: &str = "kube-system";
/// Which cluster was met last at each address, for when it does not answer.
const MET: &str = "clusters-met.json";

/// Tells a cluster from every other one. Clones share what they have learned.
#[derive(Clone, Debug)]
pub struct Identity {
    address: String,
    known: Arc<OnceCell<String>>,
}

impl Identity {
    /// Of the cluster that is reached in this way. `way` is whatever is known of it before it answers.
    pub fn reached_by(way: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in way {
            // The lengths keep the parts apart.
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let address: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { address, known: Arc::default() }
    }

    /// The cluster's own word, asked for once. Who may not read it knows the cluster by the way there.
    pub(crate) async fn ask(&self, client: &Client) -> Result<String> {
        let known = self.known.get_or_try_init(async || {
            match answer(Api::<Namespace>::all(client.clone()).get(SYSTEM)).await {
                Ok(namespace) => Ok(namespace.metadata.uid.unwrap_or_else(|| self.by_address())),
                Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound) => Ok(self.by_address()),
                Err(error) => Err(error),
            }
        });
        known.await.cloned()
    }

    /// The one that was met last in this way, before it has answered.
    pub(crate) fn met_last(&self, state_folder: &Path) -> String {
        let met = met(state_folder).remove(&self.address);
        met.unwrap_or_else(|| self.by_address())
    }

    /// Remember whom the way led to.
    pub(crate) fn meet(&self, identity: &str, state_folder: &Path) -> Result<()> {
        let mut met = met(state_folder);
        if met.get(&self.address).is_some_and(|known| known == identity) {
            return Ok(());
        }
        met.insert(self.address.clone(), identity.to_owned());
        state_file::write(&state_folder.join(MET), &met)
    }

    fn by_address(&self) -> String {
        format!("address-{}", self.address)
    }
}

fn met(state_folder: &Path) -> BTreeMap<String, String> {
    // A file that cannot be read costs a picture of what was before, and no more.
    state_file::read(&state_folder.join(MET)).ok().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_api;

    #[tokio::test]
    async fn a_cluster_is_known_by_its_own_word_and_asked_once() {
        let client = fake_api::cluster("uid-1").await;
        let (here, there) = (Identity::reached_by(&[b"lab"]), Identity::reached_by(&[b"lab", b"other"]));
        assert_eq!(here.ask(&client).await.unwrap(), "uid-1");
        assert_eq!(there.ask(&client).await.unwrap(), "uid-1");
        let nobody = fake_api::nobody();
        assert_eq!(here.ask(&nobody).await.unwrap(), "uid-1");
    }

    #[tokio::test]
    async fn who_may_not_ask_knows_a_cluster_by_the_way_there() {
        let client = fake_api::refusing().await;
        let here = Identity::reached_by(&[b"https://a", b"ca", b"lab"]).ask(&client).await.unwrap();
        let again = Identity::reached_by(&[b"https://a", b"ca", b"lab"]).ask(&client).await.unwrap();
        let there = Identity::reached_by(&[b"https://b", b"ca", b"lab"]).ask(&client).await.unwrap();
        assert_eq!(here, again);
        assert_ne!(here, there);
    }

    #[tokio::test]
    async fn a_cluster_that_does_not_answer_is_nobody_yet() {
        let identity = Identity::reached_by(&[b"lab"]);
        assert_eq!(identity.ask(&fake_api::nobody()).await.unwrap_err().kind, ErrorKind::ClusterUnreachable);
        assert_eq!(identity.ask(&fake_api::cluster("uid-1").await).await.unwrap(), "uid-1");
    }
}
