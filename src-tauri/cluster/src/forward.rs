//! A port of this machine that leads to a service, through whichever of its pods is ready.
//!
//! `kubectl port-forward` ends with its pod. This one keeps its port and finds the next pod.

mod choice;
mod destination;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde::Serialize;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use ts_rs::TS;

use self::choice::{Pods, watch_pods};
use crate::{Cluster, Error, ErrorKind, Result, live::Delays};

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

/// Ports below are for programs with more rights than a user's.
const LOWEST_UNPRIVILEGED: u16 = 1024;
/// How long a connection waits for a pod before it is closed: a replacement is usually ready by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open port. Dropping it closes the port and every connection through it.
#[derive(Debug)]
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
        let (selector, target_port) = destination::find(cluster, service, port).await?;
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

/// What opening it would do.
pub(crate) async fn consequences(cluster: &Cluster, service: &str, port: u16) -> Result<Vec<String>> {
    destination::find(cluster, service, port).await?;
    let here = match listen(port).await?.local_addr() {
        Ok(address) if address.port() == port => format!("Port {port} of this computer"),
        _ => format!("A free port of this computer, for {port} cannot be had,"),
    };
    Ok(vec![
        format!(
            "{here} leads to port {port} of {service}, through a pod that is ready, and through the next when that one ends."
        ),
        "Every program of this computer can use it, and no other computer. It closes with this app.".to_owned(),
    ])
}

/// The same ports in kubectl's words, which takes a free one for `:80`.
pub(crate) fn kubectl_ports(port: u16) -> String {
    if port < LOWEST_UNPRIVILEGED { format!(":{port}") } else { port.to_string() }
}

fn next_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("forward-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn listen(port: u16) -> Result<TcpListener> {
    if port >= LOWEST_UNPRIVILEGED
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
    use super::*;
    use crate::fake_api;
    use k8s_openapi::api::core::v1::Service;

    fn service() -> Service {
        serde_json::from_str(include_str!("../tests/fixtures/service-backend.json")).unwrap()
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

    #[tokio::test]
    async fn a_forward_says_which_port_of_this_computer_it_takes() {
        let client = fake_api::serving(|_| Some((200, serde_json::to_value(service()).unwrap()))).await;
        let cluster = Cluster::with_client(client, "lab", "flotilla");
        let taken = TcpListener::bind(("127.0.0.1", 9000)).await;
        let sentences = consequences(&cluster, "backend", 9000).await.unwrap();
        drop(taken);
        assert!(sentences[0].starts_with("A free port of this computer, for 9000 cannot be had,"), "{sentences:?}");

        let error = consequences(&cluster, "backend", 80).await.unwrap_err();
        assert_eq!(error.message, "The service backend has no port 80. Choose one of: 8000, 9000.");
        assert_eq!((kubectl_ports(80), kubectl_ports(8000)), (":80".to_owned(), "8000".to_owned()));
    }
}
