//! A laptop whose docker and k3d are stand-ins that answer as docker and k3d 5 document.

use std::net::TcpListener;

use flotilla_cluster::{
    K3dName, Programs,
    plan::{DeployOptions, Deployment, Plan, PlanStatus, Settings, Target},
};

use crate::support::{calls, program};

/// It has every image.
pub const DOCKER: &str = r#"case "$1" in
  version) echo 27.5.1 ;;
  info) echo '8000000000 /' ;;
  image) echo 1000 ;;
  save) echo layers ;;
esac"#;

/// Clusters are files beside the program: `NAME.made` and, while it runs, `NAME.runs`. Nobody answers in them.
pub const K3D: &str = r#"here=$(dirname "$0")
case "$1 $2" in
  version*) printf 'k3d version v5.8.3\nk3s version v1.31.5-k3s1 (default)\n' ;;
  'cluster list')
    if [ -e "$here/flotilla.made" ]; then
      running=0; [ -e "$here/flotilla.runs" ] && running=1
      echo '[{"name":"flotilla","nodes":[{"name":"k3d-flotilla-server-0","role":"server"}],"serversRunning":'$running',"serversCount":1,"agentsRunning":0,"agentsCount":0,"hasLoadbalancer":true}]'
    else echo '[]'; fi ;;
  'cluster create') touch "$here/$3.made" "$here/$3.runs"; printf '\033[36mINFO\033[0m[0001] Cluster created\n' >&2 ;;
  'cluster start') touch "$here/$3.runs" ;;
  'cluster stop') rm "$here/$3.runs" ;;
  'cluster delete') rm -f "$here/$3.made" "$here/$3.runs" ;;
  'kubeconfig get') cat <<END
apiVersion: v1
kind: Config
current-context: k3d-$3
contexts: [{name: k3d-$3, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: t}}]
END
  ;;
esac"#;

/// The same, with this API server in its clusters.
pub fn k3d_with(api_server: &str) -> String {
    K3D.replace("https://127.0.0.1:1", api_server)
}

/// For k3d, to do first: the file that an image is saved into is on a full disk, until it is removed.
pub const DISK_FULL_OF_AN_IMAGE: &str =
    r#"[ "$1 $2" = 'cluster create' ] && ln -s /dev/full "$(dirname "$0")/state/image.tar""#;

/// A laptop with docker and k3d.
pub struct Laptop {
    pub folder: tempfile::TempDir,
    pub settings: Settings,
}

impl Laptop {
    pub fn new(docker: &str, k3d: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs =
            Programs { docker: program(folder.path(), "docker", docker), k3d: program(folder.path(), "k3d", k3d) };
        let settings = Settings { programs, ..Settings::new(folder.path().join("state")) };
        Self { folder, settings }
    }

    /// A deploy until it stops or waits for the user.
    pub async fn deploy(&self, options: DeployOptions) -> Plan {
        stopped(Deployment::start(options, None, self.settings.clone()).unwrap()).await
    }

    /// The same deploy, gone on with as far as that.
    pub async fn resume(&self) -> Plan {
        stopped(Deployment::resume(None, self.settings.clone()).unwrap()).await
    }

    pub fn k3d_calls(&self, start: &str) -> usize {
        calls(&self.settings.programs.k3d).iter().filter(|call| call.starts_with(start)).count()
    }

    pub fn has(&self, file: &str) -> bool {
        self.folder.path().join(file).exists()
    }
}

pub fn flotilla() -> K3dName {
    "flotilla".parse().unwrap()
}

/// To a port that is free.
pub fn options() -> DeployOptions {
    let http_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    DeployOptions { target: Target::K3d { name: flotilla(), agents: 1, http_port }, ..DeployOptions::default() }
}

/// The plan once it does not run any more: it is over, or waits for the user.
pub async fn stopped(deployment: Deployment) -> Plan {
    let mut updates = deployment.updates();
    updates.wait_for(|plan| plan.status != PlanStatus::Running).await.unwrap().clone()
}
