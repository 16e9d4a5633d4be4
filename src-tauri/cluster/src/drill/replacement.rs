//! When the pods of an app are as many as before, by a watch.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use tokio::time::{Instant, sleep};

use crate::{Error, ErrorKind, Result, live::Delays, pods::APP_LABEL, pods::is_ready};

pub(super) struct Replacement {
    app: String,
    events: BoxStream<'static, std::result::Result<Event<Pod>, watcher::Error>>,
    /// Whether each pod is ready, by name.
    pods: HashMap<String, bool>,
    /// How many were, before the kill.
    wanted: usize,
    replaced_at: Option<Instant>,
}

impl Replacement {
    pub(super) fn watch(pods: Api<Pod>, app: &str) -> Self {
        let selection = watcher::Config::default().labels(&format!("{APP_LABEL}={app}"));
        let events = watcher(pods, selection).boxed();
        Self { app: app.to_owned(), events, pods: HashMap::new(), wanted: 0, replaced_at: None }
    }

    /// The pods that are ready now, before the kill.
    pub(super) async fn ready_pods(&mut self) -> Result<Vec<String>> {
        loop {
            match self.events.next().await {
                Some(Ok(Event::InitDone)) => break,
                Some(Ok(event)) => self.take(event),
                Some(Err(watcher::Error::InitialListFailed(error))) => return Err(error.into()),
                Some(Err(error)) => {
                    return Err(Error::passing(ErrorKind::ClusterFailed, format!("The pods cannot be read: {error}.")));
                }
                None => break,
            }
        }
        let ready: Vec<_> = self.pods.iter().filter(|(_, ready)| **ready).map(|(name, _)| name.clone()).collect();
        self.wanted = ready.len();
        if ready.is_empty() {
            let message = format!("No pod of {} is ready, so there is none to kill. Deploy it first.", self.app);
            return Err(Error::passing(ErrorKind::NotFound, message));
        }
        Ok(ready)
    }

    /// Wait until as many pods are ready as before the kill, without the victim.
    pub(super) async fn replaced(&mut self, victim: &str) -> Result<()> {
        let mut delays = Delays::default();
        let mut listed: Option<HashSet<String>> = None;
        loop {
            match self.events.next().await {
                Some(Ok(event)) => {
                    match &event {
                        Event::Init => listed = Some(HashSet::new()),
                        Event::InitApply(pod) => {
                            if let Some(listed) = &mut listed {
                                listed.extend(pod.metadata.name.clone());
                            }
                        }
                        Event::InitDone => {
                            if let Some(listed) = listed.take() {
                                self.pods.retain(|name, _| listed.contains(name));
                            }
                        }
                        Event::Apply(_) | Event::Delete(_) => {}
                    }
                    self.take(event);
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the watch for the replacement broke off");
                    sleep(delays.next()).await;
                }
                None => return Ok(()),
            }
            let ready = self.pods.iter().filter(|(name, ready)| **ready && *name != victim).count();
            if listed.is_none() && ready >= self.wanted {
                self.replaced_at = Some(Instant::now());
                return Ok(());
            }
        }
    }

    /// How long after the kill it was replaced, in milliseconds.
    pub(super) fn since(&self, killed_at: Instant) -> u64 {
        let replaced = self.replaced_at.map(|replaced| replaced.saturating_duration_since(killed_at));
        replaced.unwrap_or_default().as_millis() as u64
    }

    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let ready = is_ready(&pod);
                self.pods.insert(pod.metadata.name.unwrap_or_default(), ready);
            }
            Event::Delete(pod) => drop(self.pods.remove(&pod.metadata.name.unwrap_or_default())),
            Event::Init | Event::InitDone => {}
        }
    }
}
