//! Waiting until every pod of the new version is ready, saying meanwhile why one is not.

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::Pod,
    },
};
use kube::{
    Api, Resource,
    api::DeleteParams,
    core::DynamicObject,
    runtime::{WatchStreamExt as _, reflector, reflector::Store, watcher},
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::{
    Cluster, Error, ErrorKind, Result, apply,
    connection::{answer, at_once},
    manifests::{Manifests, PART_OF, kind, name},
    pods::why_not_ready,
};

const LIMIT: Duration = Duration::from_secs(600);
/// An API server that is away for longer is not coming back by itself.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// Pods of an earlier try, which wait for what is there by now, are gone after that.
const GRACE: Duration = Duration::from_secs(15);
/// What waiting does not mend.
const HOPELESS: [&str; 5] =
    ["ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"];

struct Workload {
    title: String,
    name: String,
    wanted: u64,
    ready: u64,
    is_done: bool,
    /// The controller's own words when it cannot make pods.
    stuck: Option<String>,
}

/// Whether what is to become ready is there at all. A teardown may have come between.
pub(super) async fn is_applied(cluster: &Cluster, manifests: &Manifests) -> Result<bool> {
    let workloads = manifests.objects.iter().filter(|object| is_workload(object));
    let found = at_once(workloads.map(async |object| {
        match answer(apply::api(cluster, object)?.get_opt(name(object))).await {
            Ok(found) => Ok(found.is_some()),
            // The watch will tell.
            Err(error) if error.kind == ErrorKind::Forbidden => Ok(true),
            Err(error) => Err(error),
        }
    }));
    Ok(found.await?.into_iter().all(|found| found))
}

fn is_workload(object: &DynamicObject) -> bool {
    matches!(kind(object), "Deployment" | "StatefulSet")
}

/// `report` hears what is waited for, and how many pods of how many are ready.
pub(super) async fn wait(
    cluster: &Cluster,
    manifests: &Manifests,
    report: &(dyn Fn(&str, u64, u64) + Sync),
) -> Result<()> {
    let expected: Vec<_> = manifests
        .objects
        .iter()
        .filter(|object| is_workload(object))
        .map(|object| (kind(object), name(object)))
        .collect();
    let (deployments, deployment_events) = watch::<Deployment>(cluster);
    let (stateful_sets, stateful_set_events) = watch::<StatefulSet>(cluster);
    let (pods, pod_events) = watch::<Pod>(cluster);
    let mut events = stream::select_all([deployment_events, stateful_set_events, pod_events]);
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    let started = Instant::now();
    let mut silent_since = None;
    let mut retried = false;
    let (mut ready, mut wanted) = (0, expected.len() as u64);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(())) => silent_since = None,
                Some(Err(error)) => {
                    let error = unwatched(error);
                    if error.kind == ErrorKind::Forbidden {
                        return Err(error);
                    }
                    if silent_since.get_or_insert_with(Instant::now).elapsed() > SILENCE_LIMIT {
                        return Err(error);
                    }
                    report("The API server does not answer; trying again.", ready, wanted);
                    continue;
                }
                None => return Err(unreachable_server()),
            },
            _ = tick.tick() => {}
        }
        let workloads: Vec<_> = deployments
            .state()
            .iter()
            .map(|deployment| of_deployment(deployment))
            .chain(stateful_sets.state().iter().map(|set| of_stateful_set(set)))
            .filter(|workload| expected.iter().any(|(kind, name)| workload.title == format!("{kind} {name}")))
            .collect();
        if workloads.len() < expected.len() {
            if silent_since.is_some_and(|since: Instant| since.elapsed() > SILENCE_LIMIT) {
                return Err(unreachable_server());
            }
            if started.elapsed() > LIMIT {
                let message = "Somebody has deleted what was applied. Resume to apply it again.";
                return Err(Error::passing(ErrorKind::NotFound, message));
            }
            continue;
        }
        let pods = pods.state();
        (ready, wanted) = workloads.iter().fold((0, 0), |(ready, wanted), workload| {
            (ready + workload.ready.min(workload.wanted), wanted + workload.wanted)
        });
        let Some(late) = workloads.iter().find(|workload| !workload.is_done) else {
            report("Every pod is ready.", ready, wanted);
            return Ok(());
        };
        let why = late.stuck.clone().or_else(|| why(&pods, &late.name));
        let words = match &why {
            Some(why) => format!("{}: {} of {} ready. {why}", late.title, late.ready, late.wanted),
            None => format!("{}: {} of {} ready.", late.title, late.ready, late.wanted),
        };
        report(&words, ready, wanted);
        // Kubernetes waits for minutes before it tries again to pull an image that may be there by now.
        if !retried && !pods.is_empty() {
            retried = true;
            retry_hopeless(cluster, &pods).await;
        }
        let hopeless = late.stuck.is_some() || pods.iter().any(|pod| is_hopeless(pod) && belongs_to(pod, &late.name));
        if started.elapsed() > LIMIT || (hopeless && started.elapsed() > GRACE) {
            let message = format!("{words} Mend that, then resume.");
            return Err(Error::passing(ErrorKind::ClusterFailed, message));
        }
    }
}

type Events = stream::BoxStream<'static, std::result::Result<(), watcher::Error>>;

fn watch<K>(cluster: &Cluster) -> (Store<K>, Events)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api = Api::<K>::namespaced(cluster.client.clone(), &cluster.namespace);
    let (store, writer) = reflector::store();
    let events = watched(watcher(api, watcher::Config::default().labels(PART_OF)).default_backoff().reflect(writer));
    (store, events)
}

fn watched<T>(events: impl Stream<Item = watcher::Result<T>> + Send + 'static) -> Events {
    events.map(|event| event.map(drop)).boxed()
}

fn of_deployment(deployment: &Deployment) -> Workload {
    let name = deployment.metadata.name.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or(0);
    let ready = updated.min(status.ready_replicas.unwrap_or(0));
    let is_current = status.observed_generation >= deployment.metadata.generation;
    let is_done = is_current
        && updated >= wanted
        && status.replicas.unwrap_or(0) <= updated
        && status.available_replicas.unwrap_or(0) >= wanted;
    let stuck = status.conditions.unwrap_or_default().into_iter().find(|condition| {
        (condition.type_ == "ReplicaFailure" && condition.status == "True")
            || condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    Workload {
        title: format!("Deployment {name}"),
        name,
        wanted: wanted.unsigned_abs().into(),
        ready: ready.unsigned_abs().into(),
        is_done,
        stuck: stuck.filter(|_| is_current && !is_done).and_then(|condition| condition.message),
    }
}

fn of_stateful_set(set: &StatefulSet) -> Workload {
    let name = set.metadata.name.clone().unwrap_or_default();
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = set.status.clone().unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or(0);
    let ready = updated.min(status.ready_replicas.unwrap_or(0));
    let is_done = status.observed_generation >= set.metadata.generation && ready >= wanted;
    Workload {
        title: format!("StatefulSet {name}"),
        name,
        wanted: wanted.unsigned_abs().into(),
        ready: ready.unsigned_abs().into(),
        is_done,
        stuck: None,
    }
}

fn why(pods: &[std::sync::Arc<Pod>], app: &str) -> Option<String> {
    let mut waiting: Vec<_> = pods.iter().filter(|pod| belongs_to(pod, app)).collect();
    // A pod that waiting does not help says most, then the newest one.
    waiting.sort_by_key(|pod| std::cmp::Reverse((is_hopeless(pod), pod.metadata.creation_timestamp.clone())));
    waiting.into_iter().find_map(|pod| {
        let why = why_not_ready(pod)?;
        Some(format!("Pod {}: {why}", pod.metadata.name.as_deref().unwrap_or_default()))
    })
}

fn belongs_to(pod: &Pod, app: &str) -> bool {
    let labels = pod.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get("app.kubernetes.io/name")).is_some_and(|name| name == app)
}

fn is_hopeless(pod: &Pod) -> bool {
    if pod.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let status = pod.status.as_ref();
    let statuses = status.into_iter().flat_map(|status| {
        status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten())
    });
    let mut reasons = statuses.filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
    reasons.any(|reason| HOPELESS.contains(&reason))
}

/// Replace what an earlier try has left waiting. Who may not delete pods waits for Kubernetes to try by itself.
async fn retry_hopeless(cluster: &Cluster, pods: &[std::sync::Arc<Pod>]) {
    let api = Api::<Pod>::namespaced(cluster.client.clone(), &cluster.namespace);
    for pod in pods.iter().filter(|pod| is_hopeless(pod)) {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        if let Err(error) = api.delete(name, &DeleteParams::default()).await {
            tracing::info!(pod = name, %error, "a pod that waits for its image was not replaced");
        }
    }
}

fn unwatched(error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => (*status).into(),
        _ => unreachable_server(),
    }
}

fn unreachable_server() -> Error {
    let message = "The API server went away during the rollout. Check that the cluster runs, then resume.";
    Error::passing(ErrorKind::ClusterUnreachable, message)
}
