//! What the Cluster tab has open: the chosen cluster, the deploy that runs, port-forwards, streams to the page.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use flotilla_cluster::{
    Cluster, ContextId, ContextStore, Error, ErrorKind, Result,
    forward::PortForward,
    plan::{self, Deployment, Plan, PlanStatus, Target},
};

use crate::subscriptions::Subscriptions;

pub struct Fleet {
    pub contexts: ContextStore,
    pub settings: plan::Settings,
    pub subscriptions: Subscriptions,
    forwards: Mutex<Vec<PortForward>>,
    deployment: Mutex<Option<Deployment>>,
    /// Connecting may run a sign-in program, so it is done once for each choice.
    connected: tokio::sync::Mutex<Option<(ContextId, Cluster)>>,
}

impl Fleet {
    /// Everything that must outlive the app is kept in `state_folder`.
    pub fn new(state_folder: PathBuf) -> Self {
        let mut settings = plan::Settings::new(state_folder.clone());
        settings.source = source_tree();
        Self {
            contexts: ContextStore::from_environment(&state_folder),
            settings,
            subscriptions: Subscriptions::default(),
            forwards: Mutex::default(),
            deployment: Mutex::default(),
            connected: tokio::sync::Mutex::default(),
        }
    }

    pub fn state_folder(&self) -> &Path {
        &self.settings.state_folder
    }

    /// The chosen cluster.
    pub async fn cluster(&self) -> Result<Cluster> {
        let selected = self.contexts.selected()?;
        let mut connected = self.connected.lock().await;
        if let Some((id, cluster)) = &*connected
            && *id == selected
        {
            return Ok(cluster.clone());
        }
        let cluster = self.contexts.connect_to(&selected).await?;
        *connected = Some((selected, cluster.clone()));
        Ok(cluster)
    }

    /// The next call of [`Self::cluster`] reads the kubeconfig again: its keys may be new.
    pub async fn disconnect(&self) {
        *self.connected.lock().await = None;
    }

    /// The plan that runs or has run, also in an earlier start of the app.
    pub fn plan(&self) -> Result<Option<Plan>> {
        match &*self.deployment() {
            Some(deployment) => Ok(Some(deployment.plan())),
            None => plan::last_plan(&self.settings),
        }
    }

    /// Where Flotilla answers in `cluster`, if this app has deployed it there.
    pub fn url(&self, cluster: &Cluster) -> Option<String> {
        let plan = self.plan().ok().flatten()?;
        (plan.context.as_ref() == Some(&cluster.context)).then_some(plan.options.url)
    }

    /// Make `deployment` the one that the other calls are about. There can be one at a time.
    pub fn begin(&self, start: impl FnOnce() -> Result<Deployment>) -> Result<()> {
        let mut current = self.deployment();
        if current.as_ref().is_some_and(|deployment| is_under_way(&deployment.plan())) {
            let message = "A deploy is under way. Wait for its end, or cancel it first.";
            return Err(Error::lasting(ErrorKind::Conflict, message));
        }
        // The old one goes first: both keep their plan in the same file.
        *current = None;
        *current = Some(start()?);
        Ok(())
    }

    /// The deploy that has been started since the app was.
    pub fn with_deployment<T>(&self, call: impl FnOnce(&Deployment) -> Result<T>) -> Result<T> {
        match &*self.deployment() {
            Some(deployment) => call(deployment),
            None => Err(Error::lasting(ErrorKind::NotFound, "No deploy runs. Start one, or resume the last one.")),
        }
    }

    /// A k3d cluster that a plan has made is the one to look at from then on.
    pub async fn choose_target(&self, plan: &Plan) -> Result<()> {
        if let Target::K3d { name, .. } = &plan.options.target
            && plan.context.is_some()
        {
            self.contexts.choose_k3d(name, &self.state_folder().join(format!("k3d-{name}.yaml")))?;
            self.disconnect().await;
        }
        Ok(())
    }

    pub fn forwards(&self) -> MutexGuard<'_, Vec<PortForward>> {
        self.forwards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deployment(&self) -> MutexGuard<'_, Option<Deployment>> {
        self.deployment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn is_under_way(plan: &Plan) -> bool {
    matches!(plan.status, PlanStatus::Running | PlanStatus::Waiting)
}

/// The repository that this program was built in, from which a deploy can build images. An installed app has none.
fn source_tree() -> Option<PathBuf> {
    let program = env::current_exe().ok();
    let starts = [program.as_deref().and_then(Path::parent).map(Path::to_owned), env::current_dir().ok()];
    let mut folders = starts.iter().flatten().flat_map(|start| start.ancestors());
    folders.find(|folder| folder.join("server/Dockerfile").is_file() && folder.join("k8s").is_dir()).map(Path::to_owned)
}
