//! Going through a plan: one step after the other, each change of state to disk and to whoever looks.

use std::time::{SystemTime, UNIX_EPOCH};

use kube::core::DynamicObject;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Consent, DeployOptions, Plan, PlanStatus, Progress, Settings, Step, StepId, StepStatus, Target, WaitingFor,
    commands, record::Record,
};
use crate::{
    Cluster, Error, ErrorKind, Result,
    images::Archive,
    manifests::{Manifests, kind},
};

const STEPS: [StepId; 7] =
    [StepId::Preflight, StepId::Cluster, StepId::Images, StepId::Diff, StepId::Apply, StepId::Rollout, StepId::Probe];
const LOG_LINES: usize = 500;

/// How a step ended well.
pub(super) enum Outcome {
    Done(String),
    Skipped(String),
    /// What earlier steps had done is not there any more, so they are done again first.
    Again,
}

pub(super) struct Run {
    pub settings: Settings,
    pub options: DeployOptions,
    /// For k3d, known once the cluster is there.
    pub cluster: Option<Cluster>,
    pub record: Record,
    plan: watch::Sender<Plan>,
    consents: mpsc::Receiver<Consent>,
}

impl Run {
    pub fn new_record(options: DeployOptions, cluster: Option<&Cluster>, settings: &Settings) -> Record {
        let context = cluster.map(|cluster| cluster.context.clone());
        let step = |id| Step {
            id,
            title: commands::title(id).to_owned(),
            status: StepStatus::Pending,
            started_at: None,
            finished_at: None,
            progress: None,
            detail: None,
            command: commands::line(id, &options, context.as_deref(), &settings.namespace),
            error: None,
        };
        let started_at = now();
        Record {
            plan: Plan {
                id: format!("deploy-{started_at}"),
                context: context.clone(),
                status: PlanStatus::Running,
                waiting_for: None,
                steps: STEPS.map(step).into(),
                checks: Vec::new(),
                changes: Vec::new(),
                log: Vec::new(),
                url: None,
                started_at,
                finished_at: None,
                options,
            },
            namespace: settings.namespace.clone(),
            cluster: None,
            making_cluster: None,
            image_ids: Default::default(),
            agreed_to: None,
            agreed_conflicts: Vec::new(),
            leave_namespace: false,
        }
    }

    pub fn new(
        mut record: Record,
        cluster: Option<Cluster>,
        settings: Settings,
        consents: mpsc::Receiver<Consent>,
    ) -> Result<(Self, watch::Receiver<Plan>)> {
        let plan = &mut record.plan;
        plan.status = PlanStatus::Running;
        plan.waiting_for = None;
        plan.finished_at = None;
        let is_k3d = matches!(plan.options.target, Target::K3d { .. });
        for step in &mut plan.steps {
            // A k3d cluster may have been stopped or deleted since.
            if !step.status.is_over() || (is_k3d && step.id == StepId::Cluster) {
                begin_anew(step);
            }
        }
        record.write(&settings.state_folder)?;
        // An app that was killed has left it.
        drop(Archive::in_folder(&settings.state_folder));
        let options = record.plan.options.clone();
        let (plan, updates) = watch::channel(record.plan.clone());
        let cluster = cluster.map(|cluster| cluster.in_namespace(&settings.namespace));
        Ok((Self { settings, options, cluster, record, plan, consents }, updates))
    }

    pub async fn go_through(mut self, cancelled: CancellationToken) {
        self.ask_again_for_other_manifests();
        while let Some(id) = self.next_step() {
            self.update(|plan| {
                let step = plan.step_mut(id);
                step.status = StepStatus::Running;
                step.started_at = Some(now());
            });
            // A cancelled step is dropped where it stands, and with it the program that it runs.
            let outcome = tokio::select! {
                outcome = self.step(id) => outcome,
                () = cancelled.cancelled() => {
                    Err(Error::passing(ErrorKind::Cancelled, "You stopped the deploy here. Resume it to go on."))
                }
            };
            if !self.finish_step(id, outcome) {
                return;
            }
        }
        let url = self.options.url.clone();
        self.update(|plan| {
            plan.status = PlanStatus::Done;
            plan.url = Some(url);
            plan.finished_at = Some(now());
        });
    }

    /// The first one that is not over; a step may send the plan back to earlier ones.
    fn next_step(&self) -> Option<StepId> {
        let plan = self.plan.borrow();
        STEPS.into_iter().find(|id| !plan.step(*id).status.is_over())
    }

    /// Do this step and all after it again.
    pub fn go_back_to(&mut self, first: StepId) {
        self.update(|plan| {
            let steps = plan.steps.iter_mut().skip_while(|step| step.id != first);
            steps.for_each(begin_anew);
        });
    }

    /// Make sure that this is the cluster that the plan is for. A k3d cluster may be another one by now, which knows
    /// nothing of what was done to the first.
    pub async fn recognise(&mut self) -> Result<()> {
        let identity = self.cluster()?.identity().await?;
        if self.record.cluster.as_ref().is_some_and(|known| *known != identity) {
            if self.options.target == Target::Context {
                let message = format!(
                    "This deploy was for another cluster than the one that {} leads to now. Start a new one.",
                    self.cluster()?.context
                );
                return Err(Error::lasting(ErrorKind::Conflict, message));
            }
            self.record.agreed_to = None;
            self.go_back_to(StepId::Images);
        }
        self.record.cluster = Some(identity);
        self.save();
        Ok(())
    }

    /// A newer version of the app may go on with a plan, and then applies something else than was agreed to.
    fn ask_again_for_other_manifests(&mut self) {
        let agreed_to = self.record.agreed_to.as_deref();
        if agreed_to.is_none() || self.manifests().is_ok_and(|manifests| agreed_to == Some(&manifests.digest())) {
            return;
        }
        self.go_back_to(StepId::Images);
    }

    async fn step(&mut self, id: StepId) -> Result<Outcome> {
        // The first steps of a plan find out which cluster it is for, and the last asks an address.
        if !matches!(id, StepId::Preflight | StepId::Cluster | StepId::Probe) {
            self.recognise().await?;
        }
        match id {
            StepId::Preflight => self.preflight().await,
            StepId::Cluster => self.make_cluster().await,
            StepId::Images => self.load_images().await,
            StepId::Diff => self.compare().await,
            StepId::Apply => self.apply().await,
            StepId::Rollout => self.roll_out().await,
            StepId::Probe => self.probe().await,
        }
    }

    /// Whether to go on.
    fn finish_step(&mut self, id: StepId, outcome: Result<Outcome>) -> bool {
        let goes_on = outcome.is_ok();
        self.update(|plan| {
            let step = plan.step_mut(id);
            step.finished_at = Some(now());
            match outcome {
                Ok(Outcome::Done(detail)) => (step.status, step.detail) = (StepStatus::Done, Some(detail)),
                Ok(Outcome::Skipped(detail)) => (step.status, step.detail) = (StepStatus::Skipped, Some(detail)),
                Ok(Outcome::Again) => begin_anew(step),
                Err(error) => {
                    step.status = StepStatus::Failed;
                    plan.waiting_for = None;
                    plan.finished_at = Some(now());
                    let cancelled = error.kind == ErrorKind::Cancelled;
                    plan.status = if cancelled { PlanStatus::Cancelled } else { PlanStatus::Failed };
                    plan.step_mut(id).error = Some(error);
                }
            }
        });
        goes_on
    }

    /// Change what is shown and kept.
    pub fn update(&mut self, change: impl FnOnce(&mut Plan)) {
        self.plan.send_modify(change);
        self.save();
    }

    /// Write the plan and what it remembers to disk.
    pub fn save(&mut self) {
        self.record.plan = self.plan.borrow().clone();
        if let Err(error) = self.record.write(&self.settings.state_folder) {
            // The deploy itself goes on; only resuming it after a crash would start earlier.
            self.show().log(&error.message);
        }
    }

    /// For what changes many times a second and is not worth a write.
    pub fn show(&self) -> Show<'_> {
        Show { plan: &self.plan }
    }

    /// Stop until the user answers. `refused` is said when the answer is no.
    pub async fn wait_for(&mut self, step: StepId, what: WaitingFor, detail: &str, refused: &str) -> Result<()> {
        // An answer to an earlier question is none to this one.
        while self.consents.try_recv().is_ok() {}
        self.update(|plan| {
            plan.status = PlanStatus::Waiting;
            plan.waiting_for = Some(what);
            plan.step_mut(step).status = StepStatus::Waiting;
            plan.step_mut(step).detail = Some(detail.to_owned());
        });
        let answer = self.consents.recv().await;
        self.update(|plan| {
            plan.status = PlanStatus::Running;
            plan.waiting_for = None;
            plan.step_mut(step).status = StepStatus::Running;
        });
        match (answer, what) {
            (Some(Consent::Apply), WaitingFor::Apply) | (Some(Consent::Force), WaitingFor::Force) => Ok(()),
            _ => Err(Error::passing(ErrorKind::Cancelled, refused)),
        }
    }

    pub fn cluster(&self) -> Result<&Cluster> {
        self.cluster.as_ref().ok_or_else(|| {
            Error::passing(ErrorKind::ClusterUnreachable, "The cluster is not connected. Start the deploy anew.")
        })
    }

    /// The objects of this deploy.
    pub fn manifests(&self) -> Result<Manifests> {
        let mut manifests = Manifests::of(self.options.overlay)?.in_namespace(&self.settings.namespace);
        if let super::Images::Registry { prefix } = &self.options.images {
            manifests = manifests.from_registry(prefix);
        }
        manifests = manifests.with_image_ids(&self.record.image_ids);
        if self.record.leave_namespace {
            manifests.objects.retain(|object: &DynamicObject| kind(object) != "Namespace");
        }
        Ok(manifests)
    }
}

fn begin_anew(step: &mut Step) {
    step.status = StepStatus::Pending;
    (step.started_at, step.finished_at, step.progress, step.detail, step.error) = (None, None, None, None, None);
}

/// Tells whoever looks, and not the disk.
#[derive(Clone, Copy)]
pub(super) struct Show<'a> {
    plan: &'a watch::Sender<Plan>,
}

impl Show<'_> {
    pub fn log(self, line: &str) {
        self.plan.send_modify(|plan| {
            plan.log.push(line.chars().take(2_000).collect());
            let surplus = plan.log.len().saturating_sub(LOG_LINES);
            plan.log.drain(..surplus);
        });
    }

    pub fn detail(self, step: StepId, detail: &str) {
        self.plan.send_if_modified(|plan| {
            let shown = &mut plan.step_mut(step).detail;
            let is_new = shown.as_deref() != Some(detail);
            if is_new {
                *shown = Some(detail.to_owned());
            }
            is_new
        });
    }

    pub fn progress(self, step: StepId, progress: Progress) {
        self.plan.send_if_modified(|plan| {
            let shown = &mut plan.step_mut(step).progress;
            let is_new = *shown != Some(progress);
            *shown = Some(progress);
            is_new
        });
    }
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
