//! k3d 5 by its own command. Nothing else here knows how it is called.

mod name;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::name::K3dName;
use crate::{Error, ErrorKind, Result, command};

pub(crate) struct K3d<'a> {
    pub program: &'a Path,
    /// Gets each line of k3d's messages.
    pub log: command::Log<'a>,
}

/// One row of `k3d cluster list -o json`, as far as it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct K3dCluster {
    pub name: String,
    pub servers_count: u32,
    pub servers_running: u32,
}

impl K3dCluster {
    pub fn is_running(&self) -> bool {
        self.servers_count > 0 && self.servers_running == self.servers_count
    }
}

impl K3d<'_> {
    /// `5.8.3`, of the line `k3d version v5.8.3`.
    pub async fn version(&self) -> Result<String> {
        let printed = self.run(&["version"]).await?;
        let version = printed.lines().find_map(|line| line.strip_prefix("k3d version v")).map(str::trim);
        version.map(str::to_owned).ok_or_else(|| unexpected("version", &printed))
    }

    pub async fn clusters(&self) -> Result<Vec<K3dCluster>> {
        let printed = self.run(&["cluster", "list", "--output", "json"]).await?;
        serde_json::from_str(&printed).map_err(|_| unexpected("cluster list", &printed))
    }

    pub async fn cluster(&self, name: &K3dName) -> Result<Option<K3dCluster>> {
        Ok(self.clusters().await?.into_iter().find(|cluster| cluster.name == **name))
    }

    pub async fn create(&self, name: &K3dName, agents: u32, http_port: u16) -> Result<()> {
        let arguments = create_arguments(name, agents, http_port);
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.map(drop)
    }

    pub async fn start(&self, name: &K3dName) -> Result<()> {
        self.run(&["cluster", "start", name, "--wait"]).await.map(drop)
    }

    pub async fn stop(&self, name: &K3dName) -> Result<()> {
        self.run(&["cluster", "stop", name]).await.map(drop)
    }

    pub async fn delete(&self, name: &K3dName) -> Result<()> {
        self.run(&["cluster", "delete", name]).await.map(drop)
    }

    /// Put the images of a tar file into all nodes. The mode `direct` is the one whose exit status tells of a failure:
    /// k3d's default only prints it, and reading standard input ends in an error even when it went well.
    pub async fn import(&self, name: &K3dName, archive: &Path) -> Result<()> {
        let archive = archive.to_string_lossy();
        self.run(&["image", "import", "--mode", "direct", "--cluster", name, &archive]).await.map(drop)
    }

    /// Write the cluster's kubeconfig into `folder`; its context is `k3d-NAME`.
    pub async fn kubeconfig(&self, name: &K3dName, folder: &Path) -> Result<PathBuf> {
        let printed = self.run(&["kubeconfig", "get", name]).await?;
        let file = folder.join(format!("k3d-{name}.yaml"));
        write_private(&file, &printed).map_err(|error| {
            Error::passing(
                ErrorKind::ClusterFailed,
                format!("Cannot write {}: {error}. Check the disk.", file.display()),
            )
        })?;
        Ok(file)
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        command::run(self.program, arguments, self.log).await
    }
}

pub(crate) fn create_arguments(name: &K3dName, agents: u32, http_port: u16) -> Vec<String> {
    let agents = agents.to_string();
    // Only this machine reaches it: sharing with the network is a decision of its own.
    let port = format!("127.0.0.1:{http_port}:80@loadbalancer");
    ["cluster", "create", name, "--agents", &agents, "--port", &port, "--wait", "--timeout", "300s"]
        .map(str::to_owned)
        .into()
}

/// It holds a key to the cluster.
fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(text.as_bytes())
}

fn unexpected(what: &str, printed: &str) -> Error {
    let start: String = printed.trim().chars().take(120).collect();
    Error::lasting(
        ErrorKind::ToolFailed,
        format!("`k3d {what}` printed something that k3d 5 does not ({start:?}). Install k3d 5 from https://k3d.io."),
    )
}
