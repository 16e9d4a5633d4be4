//! A plan that runs, as the app holds it.

use std::path::PathBuf;

use serde::Deserialize;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use ts_rs::TS;

use super::{DeployOptions, Plan, PlanStatus, StepStatus, Target, WaitingFor, record::Record, run::Run};
use crate::{Cluster, Error, ErrorKind, NAMESPACE, Result, command::Programs};

/// What a deploy needs to know of the machine it runs on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the plan, the history and the kubeconfigs of k3d clusters are kept.
    pub state_folder: PathBuf,
    /// The repository, for building images. An installed app has none.
    pub source: Option<PathBuf>,
    pub programs: Programs,
    pub namespace: String,
}

impl Settings {
    pub fn new(state_folder: impl Into<PathBuf>) -> Self {
        Self {
            state_folder: state_folder.into(),
            source: None,
            programs: Programs::default(),
            namespace: NAMESPACE.to_owned(),
        }
    }
}

/// The user's answer when a plan waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Apply the changes as shown.
    Apply,
    /// Take over the fields that belong to somebody else.
    Force,
    /// Change nothing more.
    Refuse,
}

/// A running plan. Dropping it stops the plan, which can be resumed.
pub struct Deployment {
    plan: watch::Receiver<Plan>,
    consent: mpsc::Sender<Consent>,
    cancelled: CancellationToken,
    task: JoinHandle<()>,
}

impl Deployment {
    /// Start a new plan. The target `context` needs the cluster; for k3d the plan makes its own.
    pub fn start(options: DeployOptions, cluster: Option<Cluster>, settings: Settings) -> Result<Self> {
        options.check()?;
        let cluster = cluster_for(&options, cluster)?;
        let mut record = Run::new_record(options, cluster.as_ref(), &settings);
        // What an earlier plan has left half made is still in the way.
        let earlier = Record::read(&settings.state_folder).ok().flatten();
        record.making_cluster = earlier.and_then(|earlier| earlier.making_cluster);
        Self::run(record, cluster, settings)
    }

    /// Go on where a plan stopped: after a failure, a cancellation, or the end of the app.
    pub fn resume(cluster: Option<Cluster>, settings: Settings) -> Result<Self> {
        let record = Record::read(&settings.state_folder)?
            .ok_or_else(|| Error::lasting(ErrorKind::NotFound, "There is no deploy to go on with. Start a new one."))?;
        let cluster = cluster_for(&record.plan.options, cluster)?;
        if let (Some(cluster), Some(context)) = (&cluster, &record.plan.context)
            && cluster.context != *context
        {
            let message = format!(
                "This deploy was for the context {context}, and {} is chosen. Choose {context} to go on, or start a new one.",
                cluster.context
            );
            return Err(Error::lasting(ErrorKind::Conflict, message));
        }
        let settings = Settings { namespace: record.namespace.clone(), ..settings };
        Self::run(record, cluster, settings)
    }

    fn run(record: Record, cluster: Option<Cluster>, settings: Settings) -> Result<Self> {
        let (consent, consents) = mpsc::channel(1);
        let cancelled = CancellationToken::new();
        let (run, plan) = Run::new(record, cluster, settings, consents)?;
        let task = tokio::spawn(run.go_through(cancelled.clone()));
        Ok(Self { plan, consent, cancelled, task })
    }

    /// The plan now, and each change of it.
    pub fn updates(&self) -> watch::Receiver<Plan> {
        self.plan.clone()
    }

    pub fn plan(&self) -> Plan {
        self.plan.borrow().clone()
    }

    pub fn consent(&self, consent: Consent) -> Result<()> {
        let waiting_for = self.plan.borrow().waiting_for;
        let fits = match consent {
            Consent::Apply => waiting_for == Some(WaitingFor::Apply),
            Consent::Force => waiting_for == Some(WaitingFor::Force),
            Consent::Refuse => waiting_for.is_some(),
        };
        if !fits {
            return Err(Error::lasting(ErrorKind::Conflict, "The deploy does not wait for this answer now."));
        }
        // A full channel holds an answer already.
        let _ = self.consent.try_send(consent);
        Ok(())
    }

    /// Stop. What is applied stays; resuming goes on from there.
    pub fn cancel(&self) {
        self.cancelled.cancel();
    }

    /// Until it is done, has failed or was cancelled.
    pub async fn finished(&self) -> Plan {
        let mut plan = self.plan.clone();
        // The sender goes away with the run, whose last word is then in the channel.
        let _ = plan.wait_for(|plan| !matches!(plan.status, PlanStatus::Running | PlanStatus::Waiting)).await;
        self.plan()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether the plan on disk is for this very cluster, whatever its context is called.
pub async fn is_for(cluster: &Cluster, settings: &Settings) -> Result<bool> {
    match Record::read(&settings.state_folder)? {
        Some(record) => record.is_of(cluster).await,
        None => Ok(false),
    }
}

/// The plan on disk, also of an earlier start of the app. One that was cut off then is shown as failed, to be resumed.
pub fn last_plan(settings: &Settings) -> Result<Option<Plan>> {
    let Some(Record { mut plan, .. }) = Record::read(&settings.state_folder)? else {
        return Ok(None);
    };
    if matches!(plan.status, PlanStatus::Running | PlanStatus::Waiting) {
        plan.status = PlanStatus::Failed;
        plan.waiting_for = None;
        for step in &mut plan.steps {
            if matches!(step.status, StepStatus::Running | StepStatus::Waiting) {
                step.status = StepStatus::Failed;
                step.error = Some(Error::passing(
                    ErrorKind::Cancelled,
                    "The app was closed in the middle of this step. Resume it.",
                ));
            }
        }
    }
    Ok(Some(plan))
}

fn cluster_for(options: &DeployOptions, cluster: Option<Cluster>) -> Result<Option<Cluster>> {
    match (&options.target, cluster) {
        (Target::K3d { .. }, _) => Ok(None),
        (Target::Context, Some(cluster)) => Ok(Some(cluster)),
        (Target::Context, None) => {
            Err(Error::lasting(ErrorKind::NotFound, "No cluster is chosen. Choose a context, or deploy to k3d."))
        }
    }
}
