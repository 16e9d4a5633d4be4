//! The first step: is everything there that the others need? Nothing is changed by looking.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::{
    Check, CheckStatus, Images, Target, checks,
    run::{Outcome, Run},
};
use crate::{
    Result,
    images::{Docker, Image, is_source_tree},
    k3d::{K3d, K3dName},
};

/// k3s, Traefik and Flotilla's own images, unpacked.
const DISK_WANTED: u64 = 4_000_000_000;
const DISK_NEEDED: u64 = 1_500_000_000;
/// k3s with Flotilla's requests, and Flotilla at its limits.
const MEMORY_WANTED: u64 = 3_500_000_000;
const MEMORY_NEEDED: u64 = 1_800_000_000;

impl Run {
    pub async fn preflight(&mut self) -> Result<Outcome> {
        let mut found = Vec::new();
        let builds = self.options.images == Images::Build;
        let docker_works = match (&self.options.target, builds) {
            (Target::Context, false) => false,
            _ => self.check_docker(&mut found).await,
        };
        match self.options.target.clone() {
            Target::K3d { name, http_port, .. } => {
                let exists = self.check_k3d(&name, &mut found).await;
                if !exists {
                    found.push(port(http_port));
                }
                if docker_works {
                    self.check_room(&mut found).await;
                }
            }
            Target::Context => {
                if builds && self.options.load_command.is_none() {
                    let message =
                        "How images get into this cluster is not known. Set a load command, or deploy from a registry.";
                    found.push(Check::new("images", CheckStatus::Failed, message));
                }
                // What an earlier try found out must not hide the question.
                self.record.leave_namespace = false;
                let (cluster_checks, leave_namespace) =
                    checks::cluster(self.cluster()?, &self.manifests()?, &self.settings.state_folder).await?;
                self.record.leave_namespace = leave_namespace;
                let reachable =
                    !cluster_checks.iter().any(|check| check.name == "cluster" && check.status == CheckStatus::Failed);
                found.extend(cluster_checks);
                if reachable {
                    self.recognise().await?;
                }
                if reachable && self.options.images == Images::Present {
                    found.push(checks::present_images(self.cluster()?).await);
                }
            }
        }
        if builds && docker_works {
            self.check_image_source(&mut found).await;
        }
        let warnings = found.iter().filter(|check| check.status == CheckStatus::Warning).count();
        self.update(|plan| plan.checks.clear());
        self.add_checks(found)?;
        Ok(Outcome::Done(match warnings {
            0 => "Everything is there.".to_owned(),
            1 => "Everything needed is there; there is one warning.".to_owned(),
            warnings => format!("Everything needed is there; there are {warnings} warnings."),
        }))
    }

    async fn check_docker(&self, found: &mut Vec<Check>) -> bool {
        let docker = Docker { program: &self.settings.programs.docker, log: &|_| {} };
        let check = match docker.version().await {
            Ok(version) => Check::new("docker", CheckStatus::Ok, format!("Docker {version} answers.")),
            Err(error) => Check::new("docker", CheckStatus::Failed, error.message),
        };
        let works = check.status == CheckStatus::Ok;
        found.push(check);
        works
    }

    /// Whether the cluster is there already, so that its own port is no trouble.
    async fn check_k3d(&self, name: &K3dName, found: &mut Vec<Check>) -> bool {
        let k3d = K3d { program: &self.settings.programs.k3d, log: &|_| {} };
        let version = match k3d.version().await {
            Ok(version) => version,
            Err(error) => {
                found.push(Check::new("k3d", CheckStatus::Failed, error.message));
                return false;
            }
        };
        let is_supported =
            version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 5);
        found.push(if is_supported {
            Check::new("k3d", CheckStatus::Ok, format!("k3d {version} is there."))
        } else {
            let message = format!("k3d {version} is too old. Install version 5 from https://k3d.io.");
            Check::new("k3d", CheckStatus::Failed, message)
        });
        matches!(k3d.cluster(name).await, Ok(Some(_)))
    }

    async fn check_room(&self, found: &mut Vec<Check>) {
        let docker = Docker { program: &self.settings.programs.docker, log: &|_| {} };
        let Ok((memory, folder)) = docker.memory_and_folder().await else {
            return;
        };
        if memory > 0 {
            let advice = "Give Docker more in its settings, or close other containers";
            found.push(room("memory", memory, MEMORY_NEEDED, MEMORY_WANTED, advice));
        }
        // Where Docker runs in a machine of its own, its folder is not here, and its disk cannot be measured.
        if let Some(free) = free_space(&folder) {
            found.push(room("disk", free, DISK_NEEDED, DISK_WANTED, "Free some space; `docker system prune` helps"));
        }
    }

    async fn check_image_source(&self, found: &mut Vec<Check>) {
        if let Some(source) = self.settings.source.as_deref().filter(|source| is_source_tree(source)) {
            let message = format!("They will be built from {}.", source.display());
            return found.push(Check::new("images", CheckStatus::Ok, message));
        }
        let docker = Docker { program: &self.settings.programs.docker, log: &|_| {} };
        let mut missing = Vec::new();
        for image in Image::ALL {
            if !matches!(docker.size(&image.name()).await, Ok(Some(_))) {
                missing.push(image.name());
            }
        }
        found.push(if missing.is_empty() {
            Check::new("images", CheckStatus::Ok, "Docker has them.")
        } else {
            let message = format!(
                "Docker has no {}, and there is no source tree to build from. Run `make images` in the repository, or \
                 deploy from a registry.",
                missing.join(" and no ")
            );
            Check::new("images", CheckStatus::Failed, message)
        });
    }
}

fn port(port: u16) -> Check {
    let name = "port";
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    // Binding alone does not tell: ports below 1024 are refused to users, and Docker may publish them all the same.
    let answers = TcpStream::connect_timeout(&here, std::time::Duration::from_millis(500)).is_ok();
    let in_use = TcpListener::bind(here).is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
    if answers || in_use {
        let message = format!("Another program uses port {port}. Stop it, or choose another port.");
        return Check::new(name, CheckStatus::Failed, message);
    }
    Check::new(name, CheckStatus::Ok, format!("Port {port} is free."))
}

fn room(name: &str, there: u64, needed: u64, wanted: u64, advice: &str) -> Check {
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let status = match there {
        _ if there < needed => CheckStatus::Failed,
        _ if there < wanted => CheckStatus::Warning,
        _ => CheckStatus::Ok,
    };
    let message = match status {
        CheckStatus::Ok => format!("Docker has {} of {name}.", gigabytes(there)),
        _ => format!("Docker has {} of {name}, and {} would be good. {advice}.", gigabytes(there), gigabytes(wanted)),
    };
    Check::new(name, status, message)
}

#[cfg(unix)]
fn free_space(folder: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

#[cfg(not(unix))]
fn free_space(_: &std::path::Path) -> Option<u64> {
    None
}
