//! Which of a service's pods new connections go to.

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::util::intstr::IntOrString};
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use tokio::{sync::watch, time::sleep};

use super::{Forward, ForwardState, destination::container_port};
use crate::{Error, live::Delays, pods::is_ready};

/// The pods of the service.
#[derive(Default)]
pub(super) struct Pods {
    /// Those that are ready, with the port to connect to.
    ready: HashMap<String, u16>,
    /// Those that are there, ready or not.
    pub(super) alive: HashSet<String>,
    /// Where new connections go; stays the same while that pod is ready.
    pub(super) current: Option<(String, u16)>,
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

/// Follow the pods, tell the connections through `known` and the panel through `state`.
pub(super) async fn watch_pods(
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ready: bool) -> Pod {
        let mut pod: Pod = serde_json::from_str(include_str!("../../tests/fixtures/pod-running.json")).unwrap();
        pod.metadata.name = Some(name.to_owned());
        if !ready {
            pod.status = None;
        }
        pod
    }

    fn http() -> IntOrString {
        IntOrString::String("http".to_owned())
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
