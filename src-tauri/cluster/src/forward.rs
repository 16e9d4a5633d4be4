//! A port of this machine that leads to a service, through whichever of its pods is ready.
//!
//! `kubectl port-forward` ends with its pod. This one keeps its port and finds the next pod.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::{
    api::core::v1::{Pod, Service},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use serde::Serialize;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use ts_rs::TS;

use crate::{Cluster, Error, ErrorKind, Result, connection::answer, live::Delays, pods::is_ready};

/// A port-forward as the panel shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Forward {
    pub id: String,
    /// Of the cluster that it leads into.
    pub context: String,
    /// `service/backend`.
    pub target: String,
    pub local_port: u16,
    /// Where new connections go now.
    pub pod: Option<String>,
    pub state: ForwardState,
    /// Why no pod can be found.
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ForwardState {
    Connecting,
    Open,
    Reconnecting,
}

/// How long a connection waits for a pod before it is closed: a replacement is usually ready by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open port. Dropping it closes the port and every connection through it.
pub struct PortForward {
    state: watch::Receiver<Forward>,
    task: JoinHandle<()>,
}

impl Drop for PortForward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PortForward {
    /// Open a port that leads to `port` of `service`: the same number here, or any free one when that is taken.
    pub async fn open(cluster: &Cluster, service: &str, port: u16) -> Result<Self> {
        let services: Api<Service> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let object = answer(services.get(service)).await?;
        let (selector, target_port) = destination(&object, port)?;
        let listener = listen(port).await?;
        let local_port = listener.local_addr().map_err(|error| no_port(&error))?.port();
        let forward = Forward {
            id: next_id(),
            context: cluster.context.clone(),
            target: format!("service/{service}"),
            local_port,
            pod: None,
            state: ForwardState::Connecting,
            problem: None,
        };
        let (state, reader) = watch::channel(forward);
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
        let task = tokio::spawn(async move {
            // What is known of the pods, for the connections to choose from.
            let (known, choice) = watch::channel(Pods::default());
            tokio::join!(watch_pods(pods.clone(), selector, target_port, known, state), accept(listener, pods, choice),);
        });
        Ok(Self { state: reader, task })
    }

    /// How it is now.
    pub fn state(&self) -> Forward {
        self.state.borrow().clone()
    }

    /// For waiting on changes.
    pub fn changes(&self) -> watch::Receiver<Forward> {
        self.state.clone()
    }
}

fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("forward-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn listen(port: u16) -> Result<TcpListener> {
    if port >= 1024
        && let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await
    {
        return Ok(listener);
    }
    TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| no_port(&error))
}

fn no_port(error: &std::io::Error) -> Error {
    let message = format!("No port of this computer can be opened ({error}). Close other programs, then try again.");
    Error::passing(ErrorKind::ClusterFailed, message)
}

/// Which pods a service leads to, and which of their ports.
fn destination(service: &Service, port: u16) -> Result<(String, IntOrString)> {
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let spec = service.spec.as_ref();
    let selector = spec.and_then(|spec| spec.selector.as_ref()).filter(|selector| !selector.is_empty());
    let Some(selector) = selector else {
        let message = format!("The service {name} selects no pods, so there is nothing to forward to.");
        return Err(Error::lasting(ErrorKind::NotFound, message));
    };
    let ports = spec.and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let Some(found) = ports.iter().find(|candidate| candidate.port == i32::from(port)) else {
        let known: Vec<_> = ports.iter().map(|port| port.port.to_string()).collect();
        let message = format!("The service {name} has no port {port}. Choose one of: {}.", known.join(", "));
        return Err(Error::lasting(ErrorKind::NotFound, message));
    };
    let selector: Vec<_> = selector.iter().map(|(label, value)| format!("{label}={value}")).collect();
    let target = found.target_port.clone().unwrap_or(IntOrString::Int(i32::from(port)));
    Ok((selector.join(","), target))
}

/// The pods of the service.
#[derive(Default)]
struct Pods {
    /// Those that are ready, with the port to connect to.
    ready: HashMap<String, u16>,
    /// Those that are there, ready or not.
    alive: HashSet<String>,
    /// Where new connections go; stays the same while that pod is ready.
    current: Option<(String, u16)>,
}

impl Pods {
    fn take(&mut self, pod: &Pod, target: &IntOrString) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        self.alive.insert(name.clone());
        match container_port(pod, target).filter(|_| is_ready(pod)) {
            Some(port) => drop(self.ready.insert(name, port)),
            None => drop(self.ready.remove(&name)),
        }
    }

    fn choose(&mut self) {
        let current = self.current.take().filter(|(name, _)| self.ready.contains_key(name));
        self.current = current.or_else(|| self.ready.iter().min().map(|(name, port)| (name.clone(), *port)));
    }
}

fn container_port(pod: &Pod, target: &IntOrString) -> Option<u16> {
    match target {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(name) => {
            let containers = &pod.spec.as_ref()?.containers;
            let mut ports = containers.iter().flat_map(|container| container.ports.as_deref().unwrap_or_default());
            let port = ports.find(|port| port.name.as_ref() == Some(name))?;
            u16::try_from(port.container_port).ok()
        }
    }
}

async fn watch_pods(
    pods: Api<Pod>,
    selector: String,
    target: IntOrString,
    known: watch::Sender<Pods>,
    state: watch::Sender<Forward>,
) {
    let events = watcher(pods, watcher::Config::default().labels(&selector));
    futures::pin_mut!(events);
    let mut delays = Delays::default();
    // A list names the pods that are left, so it begins with none.
    let mut listed: Option<Pods> = None;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed = Some(Pods::default()),
            Ok(Event::InitApply(pod)) => {
                if let Some(listed) = &mut listed {
                    listed.take(&pod, &target);
                }
            }
            Ok(Event::InitDone) => {
                delays = Delays::default();
                let Pods { ready, alive, .. } = listed.take().unwrap_or_default();
                known.send_modify(|pods| (pods.ready, pods.alive) = (ready, alive));
            }
            Ok(Event::Apply(pod)) => known.send_modify(|pods| pods.take(&pod, &target)),
            Ok(Event::Delete(pod)) => {
                let name = pod.metadata.name.unwrap_or_default();
                known.send_modify(|pods| {
                    pods.ready.remove(&name);
                    pods.alive.remove(&name);
                });
            }
            Err(error) => {
                // The pods that were ready probably still are; a connection finds out.
                tracing::debug!(%error, "the watch for the forward's pods broke off");
                if let Some(refusal) = refusal(error) {
                    state.send_if_modified(|forward| {
                        let problem = Some(refusal);
                        let changed = forward.problem != problem;
                        forward.problem = problem;
                        changed
                    });
                }
                sleep(delays.next()).await;
                continue;
            }
        }
        if listed.is_some() {
            continue;
        }
        known.send_modify(Pods::choose);
        let pod = known.borrow().current.as_ref().map(|(name, _)| name.clone());
        state.send_if_modified(|forward| {
            let next = match (&pod, forward.state) {
                (Some(_), _) => ForwardState::Open,
                (None, ForwardState::Connecting) => ForwardState::Connecting,
                (None, _) => ForwardState::Reconnecting,
            };
            let changed = (next, &pod, &None) != (forward.state, &forward.pod, &forward.problem);
            (forward.state, forward.pod, forward.problem) = (next, pod, None);
            changed
        });
    }
}

/// What waiting does not mend: the user may not look at the pods.
fn refusal(error: watcher::Error) -> Option<String> {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        _ => return None,
    };
    status.is_forbidden().then(|| Error::from(*status).message)
}

async fn accept(listener: TcpListener, pods: Api<Pod>, choice: watch::Receiver<Pods>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => drop(connections.spawn(connect(connection, pods.clone(), choice.clone()))),
            // Out of file descriptors; some come back.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Lead one connection to a pod that takes it.
async fn connect(mut connection: TcpStream, pods: Api<Pod>, mut choice: watch::Receiver<Pods>) {
    let found = timeout(PATIENCE, async {
        let mut delays = Delays::default();
        loop {
            let (pod, port) = choice.wait_for(|pods| pods.current.is_some()).await.ok()?.current.clone()?;
            match pods.portforward(&pod, &[port]).await {
                Ok(mut forwarder) => return forwarder.take_stream(port).map(|stream| (pod, forwarder, stream)),
                Err(error) => tracing::debug!(pod, %error, "the pod takes no connection"),
            }
            sleep(delays.next()).await;
        }
    });
    let Ok(Some((pod, forwarder, mut stream))) = found.await else { return };
    // A pod that is shutting down may finish what it is doing; one that is gone leaves the other end waiting.
    let gone = choice.wait_for(|pods| !pods.alive.contains(&pod));
    tokio::select! {
        copied = copy_bidirectional(&mut connection, &mut stream) => {
            if let Err(error) = copied {
                tracing::debug!(pod, %error, "a forwarded connection broke off");
            }
        }
        _ = gone => {}
    }
    forwarder.abort();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_api;

    fn service() -> Service {
        serde_json::from_value(json!({
            "metadata": {"name": "backend"},
            "spec": {"selector": {"app.kubernetes.io/name": "backend"},
                     "ports": [{"port": 8000, "targetPort": "http"}, {"port": 9000}]},
        }))
        .unwrap()
    }

    fn pod(name: &str, ready: bool) -> Pod {
        let mut pod: Pod = serde_json::from_str(include_str!("../tests/fixtures/pod-running.json")).unwrap();
        pod.metadata.name = Some(name.to_owned());
        if !ready {
            pod.status = None;
        }
        pod
    }

    fn http() -> IntOrString {
        IntOrString::String("http".to_owned())
    }

    #[tokio::test]
    async fn a_forward_says_why_it_finds_no_pod() {
        let client = fake_api::serving(|request| {
            let is_service = request.starts_with("GET /api/v1/namespaces/flotilla/services/backend ");
            Some(match is_service {
                true => (200, serde_json::to_value(service()).unwrap()),
                false => (403, fake_api::status(403, "Forbidden")),
            })
        })
        .await;
        let cluster = Cluster::with_client(client, "lab", "flotilla");
        let forward = PortForward::open(&cluster, "backend", 8000).await.unwrap();
        assert_eq!(forward.state().context, "lab");
        let mut changes = forward.changes();
        let said = timeout(Duration::from_secs(10), changes.wait_for(|forward| forward.problem.is_some())).await;
        let problem = said.unwrap().unwrap().problem.clone().unwrap();
        assert!(problem.starts_with("The cluster does not allow this"), "{problem}");
    }

    #[test]
    fn a_service_leads_to_the_port_that_it_targets() {
        let selector = "app.kubernetes.io/name=backend".to_owned();
        assert_eq!(destination(&service(), 8000), Ok((selector.clone(), http())));
        assert_eq!(destination(&service(), 9000), Ok((selector, IntOrString::Int(9000))));
        assert_eq!(container_port(&pod("a", true), &http()), Some(8000));
        assert_eq!(container_port(&pod("a", true), &IntOrString::String("grpc".to_owned())), None);
    }

    #[test]
    fn a_port_that_the_service_lacks_is_answered_with_those_that_it_has() {
        let error = destination(&service(), 80).unwrap_err();
        assert_eq!(error.message, "The service backend has no port 80. Choose one of: 8000, 9000.");
    }

    #[test]
    fn connections_stay_with_a_pod_as_long_as_it_is_ready() {
        let mut pods = Pods::default();
        pods.take(&pod("b", true), &http());
        pods.choose();
        pods.take(&pod("a", true), &http());
        pods.choose();
        assert_eq!(pods.current, Some(("b".to_owned(), 8000)));
        pods.take(&pod("b", false), &http());
        pods.choose();
        assert_eq!(pods.current, Some(("a".to_owned(), 8000)));
        pods.take(&pod("a", false), &http());
        pods.choose();
        assert_eq!(pods.current, None);
    }
}
