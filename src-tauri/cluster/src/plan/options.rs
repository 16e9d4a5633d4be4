//! What the user chooses before a deploy.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use url::Url;

use crate::{Error, ErrorKind, Result, command, k3d::K3dName, manifests::Overlay};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct DeployOptions {
    pub target: Target,
    pub overlay: Overlay,
    pub images: Images,
    /// Runs as `COMMAND IMAGE` after a build, on a target that is not k3d.
    pub load_command: Option<String>,
    /// The address to probe and open.
    pub url: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// A k3d cluster, made when it is not there.
    K3d {
        #[ts(as = "String")]
        name: K3dName,
        agents: u32,
        http_port: u16,
    },
    /// The cluster of the chosen context.
    Context,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Images {
    /// Build from the source tree where there is one, else take what Docker has; then load into the nodes.
    Build,
    /// They are in the nodes already.
    Present,
    /// `PREFIX/flotilla-backend:VERSION`, which the nodes pull.
    Registry { prefix: String },
}

impl Default for DeployOptions {
    fn default() -> Self {
        Self {
            target: Target::K3d { name: K3dName::default(), agents: 0, http_port: 80 },
            overlay: Overlay::K3d,
            images: Images::Build,
            load_command: None,
            url: "http://localhost".to_owned(),
        }
    }
}

impl DeployOptions {
    pub(super) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::lasting(ErrorKind::ClusterFailed, message));
        if let Target::K3d { http_port: 0, .. } = &self.target {
            return wrong("The port 0 cannot be published. Choose one from 1 to 65535, such as 80.".to_owned());
        }
        if let Images::Registry { prefix } = &self.images
            && (prefix.is_empty()
                || prefix.starts_with('-')
                || prefix.contains(|c: char| c.is_whitespace() || c == '@'))
        {
            return wrong(format!("{prefix:?} is not a registry prefix. Write it like registry.example.org/team."));
        }
        if self.load_command.as_deref().is_some_and(|line| command::words(line).is_empty()) {
            return wrong("The load command is empty. Write one, or leave it out.".to_owned());
        }
        match Url::parse(&self.url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
            _ => wrong(format!("{:?} is not an address to open. Write it like http://localhost.", self.url)),
        }
    }
}
