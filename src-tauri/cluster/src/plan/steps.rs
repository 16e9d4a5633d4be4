//! The steps in the middle: the cluster, the images, the comparison and the changes themselves.

use std::{collections::BTreeMap, path::Path};

use super::{
    Check, CheckStatus, Images, Progress, ProgressUnit, StepId, Target, WaitingFor, checks, probe,
    record::History,
    rollout,
    run::{Outcome, Run, now},
};
use crate::{
    Action, Change, Cluster, Error, ErrorKind, Result, apply, command,
    exec_consent::ExecConsent,
    images::{Archive, Docker, Image, is_source_tree},
    k3d::{K3d, K3dCluster, K3dName},
    manifests::{Manifests, kind, name},
};

impl Run {
    pub async fn make_cluster(&mut self) -> Result<Outcome> {
        let Target::K3d { name, agents, http_port } = self.options.target.clone() else {
            self.recognise().await?;
            let context = &self.cluster()?.context;
            return Ok(Outcome::Skipped(format!("{context} is there already.")));
        };
        self.remove_half_made(&name).await?;
        let done = match self.k3d_cluster(&name).await? {
            None => {
                self.create_k3d(&name, agents, http_port).await?;
                format!("The k3d cluster {name} was made.")
            }
            Some(cluster) if cluster.is_running() => format!("The k3d cluster {name} runs already."),
            Some(_) => {
                self.show().detail(StepId::Cluster, &format!("Starting the k3d cluster {name}."));
                let log = |line: &str| self.show().log(line);
                let k3d = K3d { program: &self.settings.programs.k3d, log: &log };
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
        self.recognise().await?;
        self.check_cluster().await?;
        Ok(Outcome::Done(done))
    }

    async fn k3d_cluster(&self, name: &K3dName) -> Result<Option<K3dCluster>> {
        let log = |line: &str| self.show().log(line);
        K3d { program: &self.settings.programs.k3d, log: &log }.cluster(name).await
    }

    async fn create_k3d(&mut self, name: &K3dName, agents: u32, http_port: u16) -> Result<()> {
        let detail = format!("Making the k3d cluster {name}. The first time it loads k3s.");
        self.record.making_cluster = Some(name.clone());
        self.save();
        self.show().detail(StepId::Cluster, &detail);
        let log = |line: &str| self.show().log(line);
        let created = K3d { program: &self.settings.programs.k3d, log: &log }.create(name, agents, http_port).await;
        // k3d itself removes what it could not make; a cluster of that name that comes later is somebody else's.
        if created.is_ok() || matches!(self.k3d_cluster(name).await, Ok(None)) {
            self.record.making_cluster = None;
            self.save();
        }
        created
    }

    /// k3d lists a cluster before it is whole, and one whose making was cut off never starts.
    async fn remove_half_made(&mut self, name: &K3dName) -> Result<()> {
        if self.record.making_cluster.as_ref() != Some(name) {
            return Ok(());
        }
        if self.k3d_cluster(name).await?.is_some() {
            self.show().detail(StepId::Cluster, &format!("Removing the k3d cluster {name}, which was not made whole."));
            let log = |line: &str| self.show().log(line);
            K3d { program: &self.settings.programs.k3d, log: &log }.delete(name).await?;
        }
        self.record.making_cluster = None;
        self.save();
        Ok(())
    }

    async fn connect_k3d(&self, name: &K3dName) -> Result<Cluster> {
        let log = |line: &str| self.show().log(line);
        let k3d = K3d { program: &self.settings.programs.k3d, log: &log };
        let kubeconfig = k3d.kubeconfig(name, &self.settings.state_folder).await?;
        let consent = ExecConsent::new(&self.settings.state_folder);
        let cluster = Cluster::connect(&kubeconfig, Some(&format!("k3d-{name}")), &consent).await?;
        Ok(cluster.in_namespace(&self.settings.namespace))
    }

    /// What only the cluster itself can tell: it answers, the namespace is usable, the user may do what follows.
    pub async fn check_cluster(&mut self) -> Result<()> {
        // What an earlier try found out must not hide the question.
        self.record.leave_namespace = false;
        let (checks, leave_namespace) =
            checks::cluster(self.cluster()?, &self.manifests()?, &self.settings.state_folder).await?;
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
        let mut ids = BTreeMap::new();
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
            ids.extend(docker.id(&image.name()).await?.map(|id| (image.name(), id)));
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
        self.record.image_ids = ids;
        self.save();
        Ok(Outcome::Done(format!("{} images are in the nodes, {} MB.", sizes.len(), total / 1_000_000)))
    }

    async fn load(&self, docker: &Docker<'_>, image: &str, shown: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let show = self.show();
        show.detail(StepId::Images, &format!("Loading {image} into the nodes."));
        match (&self.options.target, self.options.load_command.as_deref()) {
            (Target::K3d { name, .. }, _) => {
                let archive = Archive::in_folder(&self.settings.state_folder);
                save_and_import(docker, &self.settings.programs.k3d, name, image, archive.path(), shown).await
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
        let manifests = self.manifests()?;
        let cluster = self.cluster()?;
        let last = History::of(cluster, &self.settings.state_folder).await?.read()?.pop().map(|last| last.manifests);
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
        // Who owns which field has been looked at anew, so the second question is a new one too.
        self.record.agreed_conflicts.clear();
        self.save();
        Ok(Outcome::Done(summary))
    }

    pub async fn apply(&mut self) -> Result<Outcome> {
        let manifests = self.manifests()?;
        let cluster = self.cluster()?.clone();
        let history = History::of(&cluster, &self.settings.state_folder).await?;
        let old = history.read()?.pop().map(|last| last.manifests);
        let total = manifests.objects.len() as u64;
        loop {
            let agreed = &self.record.agreed_conflicts;
            let conflicts = self.apply_once(&cluster, &manifests, old.as_ref(), agreed, total).await?;
            if conflicts.is_empty() {
                break;
            }
            self.ask_to_take_over(conflicts).await?;
        }
        history.push(now(), &manifests)?;
        Ok(Outcome::Done(format!("{total} objects are applied.")))
    }

    /// The second consent, to these conflicts and no others.
    async fn ask_to_take_over(&mut self, conflicts: Vec<Change>) -> Result<()> {
        let names: Vec<_> = conflicts.iter().map(|change| format!("{} {}", change.kind, change.name)).collect();
        let detail = format!("Some fields belong to somebody else: {}. Take them over?", names.join(", "));
        self.update(|plan| {
            for conflict in &conflicts {
                let same = |change: &&mut Change| (&change.kind, &change.name) == (&conflict.kind, &conflict.name);
                match plan.changes.iter_mut().find(same) {
                    Some(shown) => shown.conflict = conflict.conflict.clone(),
                    None => plan.changes.push(conflict.clone()),
                }
            }
        });
        let refused =
            format!("You left {} to its owner; everything else is applied. Resume to decide again.", names.join(", "));
        self.wait_for(StepId::Apply, WaitingFor::Force, &detail, &refused).await?;
        self.record
            .agreed_conflicts
            .retain(|agreed| !conflicts.iter().any(|new| (&new.kind, &new.name) == (&agreed.kind, &agreed.name)));
        self.record.agreed_conflicts.extend(conflicts);
        self.save();
        Ok(())
    }

    async fn apply_once(
        &self,
        cluster: &Cluster,
        manifests: &Manifests,
        old: Option<&Manifests>,
        agreed: &[Change],
        total: u64,
    ) -> Result<Vec<Change>> {
        let show = self.show();
        let applied = std::sync::atomic::AtomicU64::new(0);
        apply::apply_all(cluster, manifests, old, agreed, &|object| {
            let done = applied.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            show.log(&format!("{} {} applied", kind(object), name(object)));
            show.progress(StepId::Apply, Progress { done, total: Some(total), unit: ProgressUnit::Objects });
        })
        .await
    }

    pub async fn roll_out(&mut self) -> Result<Outcome> {
        let manifests = self.manifests()?;
        if !rollout::is_applied(self.cluster()?, &manifests).await? {
            self.go_back_to(StepId::Diff);
            return Ok(Outcome::Again);
        }
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
    cluster: &K3dName,
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
