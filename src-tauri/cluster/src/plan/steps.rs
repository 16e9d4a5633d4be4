//! The steps in the middle: the cluster, the images, the comparison and the changes themselves.

use std::path::Path;

use super::{
    Check, CheckStatus, Images, Progress, ProgressUnit, StepId, Target, WaitingFor, checks, probe,
    record::History,
    rollout,
    run::{Outcome, Run, now},
};
use crate::{
    Action, Cluster, Error, ErrorKind, Result, apply, command,
    exec_consent::ExecConsent,
    images::{Docker, Image, is_source_tree},
    k3d::K3d,
};

impl Run {
    pub async fn make_cluster(&mut self) -> Result<Outcome> {
        let Target::K3d { name, agents, http_port } = self.options.target.clone() else {
            let context = &self.cluster()?.context;
            return Ok(Outcome::Skipped(format!("{context} is there already.")));
        };
        let log = |line: &str| self.show().log(line);
        let k3d = K3d { program: &self.settings.programs.k3d, log: &log };
        let done = match k3d.cluster(&name).await? {
            None => {
                self.show()
                    .detail(StepId::Cluster, &format!("Making the k3d cluster {name}. The first time it loads k3s."));
                k3d.create(&name, agents, http_port).await?;
                format!("The k3d cluster {name} was made.")
            }
            Some(cluster) if cluster.is_running() => format!("The k3d cluster {name} runs already."),
            Some(_) => {
                self.show().detail(StepId::Cluster, &format!("Starting the k3d cluster {name}."));
                k3d.start(&name).await.map_err(|error| Error {
                    message: format!(
                        "{} If it never was complete, `k3d cluster delete {name}` and resume.",
                        error.message
                    ),
                    ..error
                })?;
                format!("The k3d cluster {name} was started.")
            }
        };
        let cluster = self.connect_k3d(&name).await?;
        let context = cluster.context.clone();
        self.cluster = Some(cluster);
        self.update(|plan| plan.context = Some(context));
        self.check_cluster().await?;
        Ok(Outcome::Done(done))
    }

    async fn connect_k3d(&self, name: &str) -> Result<Cluster> {
        let log = |line: &str| self.show().log(line);
        let k3d = K3d { program: &self.settings.programs.k3d, log: &log };
        let kubeconfig = k3d.kubeconfig(name, &self.settings.state_folder).await?;
        let consent = ExecConsent::new(&self.settings.state_folder);
        let cluster = Cluster::connect(&kubeconfig, Some(&format!("k3d-{name}")), &consent).await?;
        Ok(cluster.in_namespace(&self.settings.namespace))
    }

    /// A plan that goes on after the step `cluster` has a k3d cluster that it is not connected to yet.
    async fn connected(&mut self) -> Result<()> {
        if self.cluster.is_none()
            && let Target::K3d { name, .. } = &self.options.target
        {
            self.cluster = Some(self.connect_k3d(name).await?);
        }
        Ok(())
    }

    /// What only the cluster itself can tell: it answers, the namespace is usable, the user may do what follows.
    pub async fn check_cluster(&mut self) -> Result<()> {
        let (checks, leave_namespace) = checks::cluster(self.cluster()?, &self.manifests()?).await?;
        self.record.leave_namespace = leave_namespace;
        self.add_checks(checks)
    }

    /// Show what was found; any failed check fails the step.
    pub fn add_checks(&mut self, checks: Vec<Check>) -> Result<()> {
        let failed = checks.iter().filter(|check| check.status == CheckStatus::Failed);
        let failed: Vec<_> = failed.map(|check| check.message.clone()).collect();
        self.update(|plan| {
            plan.checks.retain(|old| !checks.iter().any(|new| new.name == old.name));
            plan.checks.extend(checks);
        });
        if failed.is_empty() {
            return Ok(());
        }
        Err(Error::passing(ErrorKind::ClusterFailed, failed.join(" ")))
    }

    pub async fn load_images(&mut self) -> Result<Outcome> {
        match &self.options.images {
            Images::Present => return Ok(Outcome::Skipped("The nodes have them already.".to_owned())),
            Images::Registry { prefix } => return Ok(Outcome::Skipped(format!("The nodes pull them from {prefix}."))),
            Images::Build => {}
        }
        let show = self.show();
        let log = |line: &str| show.log(line);
        let docker = Docker { program: &self.settings.programs.docker, log: &log };
        let source = self.settings.source.as_deref().filter(|source| is_source_tree(source));
        let mut sizes = Vec::new();
        for image in Image::ALL {
            if let Some(source) = source {
                show.detail(StepId::Images, &format!("Building {}.", image.name()));
                docker.build(image, source).await?;
            }
            let size = docker.size(&image.name()).await?.ok_or_else(|| {
                let name = image.name();
                let message = format!(
                    "Docker has no image {name}, and there is no source tree to build it from. Run `make images` in the \
                     repository, or deploy from a registry."
                );
                Error::passing(ErrorKind::NotFound, message)
            })?;
            sizes.push(size);
        }
        let total = sizes.iter().sum::<u64>();
        let mut done = 0;
        for (image, size) in Image::ALL.iter().zip(&sizes) {
            let shown = |more: u64| {
                let done = (done + more).min(total);
                show.progress(StepId::Images, Progress { done, total: Some(total), unit: ProgressUnit::Bytes });
            };
            shown(0);
            self.load(&docker, &image.name(), &shown).await?;
            done += size;
        }
        show.progress(StepId::Images, Progress { done: total, total: Some(total), unit: ProgressUnit::Bytes });
        Ok(Outcome::Done(format!("{} images are in the nodes, {} MB.", sizes.len(), total / 1_000_000)))
    }

    async fn load(&self, docker: &Docker<'_>, image: &str, shown: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let show = self.show();
        show.detail(StepId::Images, &format!("Loading {image} into the nodes."));
        match (&self.options.target, self.options.load_command.as_deref()) {
            (Target::K3d { name, .. }, _) => {
                let archive = self.settings.state_folder.join("image.tar");
                let loaded = save_and_import(docker, &self.settings.programs.k3d, name, image, &archive, shown).await;
                let _ = std::fs::remove_file(&archive);
                loaded
            }
            (Target::Context, Some(load)) => {
                let mut words = command::words(load);
                words.push(image.to_owned());
                let arguments: Vec<_> = words[1..].iter().map(String::as_str).collect();
                let printed = command::run(Path::new(&words[0]), &arguments, docker.log).await?;
                printed.lines().for_each(|line| show.log(line));
                Ok(())
            }
            (Target::Context, None) => Err(Error::lasting(
                ErrorKind::ToolMissing,
                "How images get into this cluster is not known. Set a load command, or deploy from a registry.",
            )),
        }
    }

    pub async fn compare(&mut self) -> Result<Outcome> {
        self.connected().await?;
        let manifests = self.manifests()?;
        let cluster = self.cluster()?;
        let last = History::of(cluster, &self.settings.state_folder).read()?.pop().map(|last| last.manifests);
        let changes = apply::changes(cluster, &manifests, last.as_ref()).await?;
        let count = |action| changes.iter().filter(|change| change.action == action).count();
        let summary = format!(
            "{} to create, {} to change, {} to delete, {} the same.",
            count(Action::Create),
            count(Action::Change),
            count(Action::Delete),
            count(Action::Same)
        );
        let nothing = changes.iter().all(|change| change.action == Action::Same && change.conflict.is_none());
        self.update(|plan| plan.changes = changes);
        if !nothing {
            let refused = "You refused the changes, so nothing was changed. Resume to look at them again.";
            self.wait_for(StepId::Diff, WaitingFor::Apply, &summary, refused).await?;
        }
        self.record.agreed_to = Some(manifests.digest());
        self.save();
        Ok(Outcome::Done(summary))
    }

    pub async fn apply(&mut self) -> Result<Outcome> {
        self.connected().await?;
        let manifests = self.manifests()?;
        let cluster = self.cluster()?.clone();
        let history = History::of(&cluster, &self.settings.state_folder);
        let old = history.read()?.pop().map(|last| last.manifests);
        let total = manifests.objects.len() as u64;
        let force = self.record.agreed_to_force;
        let mut conflicts = self.apply_once(&cluster, &manifests, old.as_ref(), force, total).await?;
        if !conflicts.is_empty() {
            let names: Vec<_> = conflicts.iter().map(|change| format!("{} {}", change.kind, change.name)).collect();
            let detail = format!("Some fields belong to somebody else: {}. Take them over?", names.join(", "));
            self.update(|plan| {
                for conflict in &mut conflicts {
                    let shown = plan
                        .changes
                        .iter_mut()
                        .find(|change| (&change.kind, &change.name) == (&conflict.kind, &conflict.name));
                    match shown {
                        Some(shown) => shown.conflict = conflict.conflict.take(),
                        None => plan.changes.push(conflict.clone()),
                    }
                }
            });
            let refused = format!(
                "You left {} to its owner; everything else is applied. Resume to decide again.",
                names.join(", ")
            );
            self.wait_for(StepId::Apply, WaitingFor::Force, &detail, &refused).await?;
            self.record.agreed_to_force = true;
            self.save();
            self.apply_once(&cluster, &manifests, old.as_ref(), true, total).await?;
        }
        history.push(now(), &manifests)?;
        Ok(Outcome::Done(format!("{total} objects are applied.")))
    }

    async fn apply_once(
        &self,
        cluster: &Cluster,
        manifests: &crate::manifests::Manifests,
        old: Option<&crate::manifests::Manifests>,
        force: bool,
        total: u64,
    ) -> Result<Vec<crate::Change>> {
        let show = self.show();
        let applied = std::sync::atomic::AtomicU64::new(0);
        apply::apply_all(cluster, manifests, old, force, &|object| {
            let done = applied.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            show.log(&format!("{} {} applied", crate::manifests::kind(object), crate::manifests::name(object)));
            show.progress(StepId::Apply, Progress { done, total: Some(total), unit: ProgressUnit::Objects });
        })
        .await
    }

    pub async fn roll_out(&mut self) -> Result<Outcome> {
        self.connected().await?;
        let manifests = self.manifests()?;
        let show = self.show();
        rollout::wait(self.cluster()?, &manifests, &|detail, done, total| {
            show.detail(StepId::Rollout, detail);
            show.progress(StepId::Rollout, Progress { done, total: Some(total), unit: ProgressUnit::Pods });
        })
        .await?;
        Ok(Outcome::Done("Every pod is ready.".to_owned()))
    }

    pub async fn probe(&mut self) -> Result<Outcome> {
        let show = self.show();
        probe::wait(&self.options.url, &|detail| show.detail(StepId::Probe, detail)).await.map(Outcome::Done)
    }
}

/// The tar file between is what makes bytes visible, and see [`K3d::import`] for why it is no pipe.
async fn save_and_import(
    docker: &Docker<'_>,
    k3d: &Path,
    cluster: &str,
    image: &str,
    archive: &Path,
    shown: &(dyn Fn(u64) + Sync),
) -> Result<()> {
    let mut saved = 0;
    docker
        .save(image, archive, |bytes| {
            saved += bytes;
            shown(saved);
        })
        .await?;
    K3d { program: k3d, log: docker.log }.import(cluster, archive).await
}
