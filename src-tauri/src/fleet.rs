//! What the Cluster tab has open: the chosen cluster, the deploy that runs, port-forwards, streams to the page.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use flotilla_cluster::{
    Cluster, ContextId, ContextStore, Contexts, Error, ErrorKind, Result,
    forward::PortForward,
    plan::{self, Deployment, Plan, PlanStatus, Target},
};
use tokio::{
    sync::{self, watch},
    time::timeout,
};

use crate::subscriptions::Subscriptions;

/// How long a deploy may take to stop its programs when the app is closed.
const CANCEL_LIMIT: Duration = Duration::from_secs(3);

/// A deploy of this start of the app, also one that is over.
struct Running {
    deployment: Deployment,
    /// The cluster that it is connected to has been looked at.
    looked_at: bool,
}

pub struct Fleet {
    pub contexts: ContextStore,
    pub settings: plan::Settings,
    pub subscriptions: Subscriptions,
    forwards: Mutex<Vec<PortForward>>,
    deployment: Mutex<Option<Running>>,
    /// Held by what changes the cluster as a whole: two at once would undo each other.
    changing: sync::Mutex<()>,
    /// Where Flotilla answers may have changed.
    moved: watch::Sender<()>,
    /// Connecting may run a sign-in program, so it is done once for each choice.
    connected: sync::Mutex<Option<(ContextId, Cluster)>>,
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
            changing: sync::Mutex::default(),
            moved: watch::Sender::default(),
            connected: sync::Mutex::default(),
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
            Some(running) => Ok(Some(running.deployment.plan())),
            None => plan::last_plan(&self.settings),
        }
    }

    /// Where Flotilla answers in `cluster`, if this app has deployed it there.
    pub async fn url(&self, cluster: &Cluster) -> Option<String> {
        let is_here = plan::is_for(cluster, &self.settings).await.unwrap_or(false);
        self.plan().ok().flatten().filter(|_| is_here).map(|plan| plan.options.url)
    }

    /// Hears of each moment at which [`Self::url`] may say something else.
    pub fn moves(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Make `deployment` the one that the other calls are about. Returns its plan. There can be one at a time.
    pub fn begin(&self, start: impl FnOnce() -> Result<Deployment>) -> Result<watch::Receiver<Plan>> {
        let _turn = self.change()?;
        let mut current = self.deployment();
        // The old one goes first: both keep their plan in the same file.
        *current = None;
        let deployment = start()?;
        let plan = deployment.updates();
        *current = Some(Running { deployment, looked_at: false });
        Ok(plan)
    }

    /// The right to change the cluster as a whole, until it is dropped.
    pub fn change(&self) -> Result<sync::MutexGuard<'_, ()>> {
        let busy = |what| Err(Error::lasting(ErrorKind::Conflict, what));
        if self.with_deployment(|deployment| Ok(is_under_way(&deployment.plan()))).unwrap_or(false) {
            return busy("A deploy is under way. Wait for its end, or cancel it first.");
        }
        match self.changing.try_lock() {
            Ok(turn) => Ok(turn),
            Err(_) => busy("Another change of this cluster is under way. Wait for its end."),
        }
    }

    /// The deploy that has been started since the app was.
    pub fn with_deployment<T>(&self, call: impl FnOnce(&Deployment) -> Result<T>) -> Result<T> {
        match &*self.deployment() {
            Some(running) => call(&running.deployment),
            None => Err(Error::lasting(ErrorKind::NotFound, "No deploy runs. Start one, or resume the last one.")),
        }
    }

    /// Every context, and the chosen one. It is never behind a plan that the page has been told of.
    pub async fn contexts(&self) -> Result<Contexts> {
        self.look_at_target().await;
        self.contexts.list()
    }

    /// Until `plan` is over: look at the k3d cluster that it makes, and tell where Flotilla answers.
    pub async fn attend(&self, mut plan: watch::Receiver<Plan>) {
        loop {
            let is_over = !is_under_way(&plan.borrow_and_update());
            self.look_at_target().await;
            if is_over || plan.changed().await.is_err() {
                self.moved.send_replace(());
                return;
            }
        }
    }

    /// Once for each deploy, so that the user can choose another cluster meanwhile.
    async fn look_at_target(&self) {
        let Some(target) = self.choose_target() else { return };
        if matches!(target, Target::K3d { .. }) {
            self.disconnect().await;
        }
        self.moved.send_replace(());
    }

    /// A k3d cluster that a plan is connected to is the chosen one from then on. Returns a target that is new.
    fn choose_target(&self) -> Option<Target> {
        let mut current = self.deployment();
        let running = current.as_mut().filter(|running| !running.looked_at)?;
        let plan = running.deployment.plan();
        plan.context?;
        running.looked_at = true;
        let target = plan.options.target;
        if let Target::K3d { name, .. } = &target {
            let kubeconfig = self.state_folder().join(format!("k3d-{name}.yaml"));
            if let Err(error) = self.contexts.choose_k3d(name, &kubeconfig) {
                tracing::warn!(%error, "the new cluster cannot be chosen");
            }
        }
        Some(target)
    }

    /// After a teardown there is nothing that a plan could be about.
    pub fn forget_plan(&self) {
        *self.deployment() = None;
        self.moved.send_replace(());
    }

    pub fn forwards(&self) -> MutexGuard<'_, Vec<PortForward>> {
        self.forwards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stop what runs because of this app. A deploy that is cut off can be resumed.
    pub async fn close(&self) {
        self.subscriptions.stop_all();
        self.forwards().clear();
        let running = self.deployment().take();
        if let Some(Running { deployment, .. }) = running {
            deployment.cancel();
            if timeout(CANCEL_LIMIT, deployment.finished()).await.is_err() {
                tracing::warn!("the deploy did not stop in time");
            }
        }
    }

    fn deployment(&self) -> MutexGuard<'_, Option<Running>> {
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
