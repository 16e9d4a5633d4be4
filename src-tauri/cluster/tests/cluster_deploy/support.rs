//! A namespace for one test, and the ways to look at a deploy.

use std::{panic::resume_unwind, path::PathBuf, time::Duration};

use flotilla_cluster::{
    Change, Cluster, ContextStore, Overlay,
    plan::{Consent, DeployOptions, Deployment, Images, Plan, Settings, StepId, StepStatus, Target, WaitingFor},
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
    runtime::wait::{await_condition, conditions},
};

/// Far more than anything takes, since a slow machine is no failure.
const PATIENCE: Duration = Duration::from_secs(300);

/// A place to deploy to.
#[derive(Clone)]
pub struct Site {
    pub cluster: Cluster,
    pub settings: Settings,
    pub options: DeployOptions,
}

impl Site {
    pub fn start(&self) -> Deployment {
        Deployment::start(self.options.clone(), Some(self.cluster.clone()), self.settings.clone()).unwrap()
    }

    pub fn resume(&self) -> Deployment {
        Deployment::resume(Some(self.cluster.clone()), self.settings.clone()).unwrap()
    }

    /// Deploy until everything is applied, and leave the pods alone.
    pub async fn apply(&self) -> Plan {
        let deployment = self.start();
        agree(&deployment).await;
        applied(&deployment).await
    }

    pub fn state_folder(&self) -> &std::path::Path {
        &self.settings.state_folder
    }

    pub fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.cluster.client.clone(), &self.cluster.namespace)
    }
}

/// Run the test on a namespace that is not there yet, and delete what it made, whatever happened.
pub async fn on_a_new_site<F: Future<Output = ()> + Send + 'static>(name: &str, test: impl FnOnce(Site) -> F) {
    let namespace = format!("flotilla-test-{name}-{}", std::process::id());
    let state = tempfile::tempdir().unwrap();
    let store = ContextStore::from_environment(state.path());
    let cluster = store.connect().await.expect("KUBECONFIG names a cluster").in_namespace(&namespace);
    let options = DeployOptions {
        target: Target::Context,
        overlay: Overlay::K3d,
        // Nobody answers there, so that no pod starts: what is tested comes before.
        images: Images::Registry { prefix: "registry.invalid/flotilla".to_owned() },
        load_command: None,
        url: format!("http://{namespace}.localhost"),
    };
    let settings = Settings { namespace: namespace.clone(), ..Settings::new(state.path()) };
    let site = Site { cluster, settings, options };
    let result = tokio::spawn(test(site.clone())).await;
    clean_up(&site).await;
    if let Err(failure) = result {
        resume_unwind(failure.into_panic());
    }
}

/// Delete the namespace. A volume that nobody provisions anew is used up: what stands in it may be half a database.
async fn clean_up(site: &Site) {
    let (client, namespace) = (site.cluster.client.clone(), &site.cluster.namespace);
    let _ = Api::<Namespace>::all(client.clone()).delete(namespace, &DeleteParams::default()).await;
    // Pods may take minutes to finish their answers, and here nobody waits for any.
    let at_once = DeleteParams::default().grace_period(0);
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let _ = pods.delete_collection(&at_once, &ListParams::default()).await;
    namespace_is_gone(site).await;
}

/// The kubeconfig file that the tests use.
pub fn kubeconfig() -> PathBuf {
    let files = std::env::var_os("KUBECONFIG").expect("KUBECONFIG names a cluster");
    std::env::split_paths(&files).next().unwrap()
}

pub async fn until(deployment: &Deployment, what: &str, is_so: impl Fn(&Plan) -> bool) -> Plan {
    let mut updates = deployment.updates();
    let found = tokio::time::timeout(PATIENCE, updates.wait_for(|plan| is_so(plan))).await;
    match found {
        Ok(Ok(plan)) => plan.clone(),
        _ => panic!("it never came to this: {what}. {:#?}", deployment.plan()),
    }
}

/// Wait for the changes and agree to them.
pub async fn agree(deployment: &Deployment) -> Plan {
    let plan = until(deployment, "the changes are shown", |plan| plan.waiting_for == Some(WaitingFor::Apply)).await;
    deployment.consent(Consent::Apply).unwrap();
    plan
}

pub async fn applied(deployment: &Deployment) -> Plan {
    let plan = until(deployment, "everything is applied", |plan| plan.step(StepId::Apply).status.is_over()).await;
    deployment.cancel();
    deployment.finished().await;
    plan
}

pub async fn failed(deployment: &Deployment, step: StepId) -> flotilla_cluster::Error {
    let plan =
        until(deployment, "a step fails", |plan| plan.steps.iter().any(|step| step.status == StepStatus::Failed)).await;
    plan.step(step).error.clone().unwrap_or_else(|| panic!("another step failed: {plan:#?}"))
}

pub fn change<'a>(changes: &'a [Change], kind: &str, name: &str) -> &'a Change {
    changes.iter().find(|change| change.kind == kind && change.name == name).unwrap()
}

pub async fn create_namespace(site: &Site) {
    let namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": site.cluster.namespace}})).unwrap();
    let namespaces: Api<Namespace> = Api::all(site.cluster.client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
}

pub async fn namespace_is_gone(site: &Site) {
    let namespaces: Api<Namespace> = Api::all(site.cluster.client.clone());
    if let Some(namespace) = namespaces.get_opt(&site.cluster.namespace).await.unwrap() {
        let uid = namespace.metadata.uid.unwrap();
        let gone = await_condition(namespaces, &site.cluster.namespace, conditions::is_deleted(&uid));
        tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap();
    }
}
