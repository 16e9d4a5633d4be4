//! What a reader of the live updates knows, built as the panel builds it.

use std::{collections::BTreeMap, path::Path};

use flotilla_cluster::{
    Cluster,
    autoscaler::Autoscaler,
    events::ClusterEvent,
    live::{self, ConnectionState, LiveOptions, LiveUpdate},
    pods::Pod,
    samples::Sample,
    workloads::Workload,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::scope::PATIENCE;

pub struct View {
    updates: mpsc::Receiver<LiveUpdate>,
    task: JoinHandle<()>,
    pub connection: Option<live::Connection>,
    /// By uid.
    pub pods: BTreeMap<String, Pod>,
    pub deployments: Vec<Workload>,
    pub autoscalers: Vec<Autoscaler>,
    pub events: BTreeMap<String, ClusterEvent>,
    pub samples: Vec<Sample>,
}

impl View {
    /// Watch the cluster, keeping what must be kept in `folder`.
    pub fn open(cluster: &Cluster, folder: &Path) -> Self {
        let (sender, updates) = mpsc::channel(4);
        let options = LiveOptions { state_folder: folder.to_owned(), url: watch::channel(None).1 };
        let task = tokio::spawn(live::follow(cluster.clone(), options, sender));
        Self {
            updates,
            task,
            connection: None,
            pods: BTreeMap::new(),
            deployments: Vec::new(),
            autoscalers: Vec::new(),
            events: BTreeMap::new(),
            samples: Vec::new(),
        }
    }

    /// Take updates until this holds.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                let update = self.updates.recv().await.expect("the watch goes on");
                self.take(update);
            }
        };
        if timeout(PATIENCE, waiting).await.is_err() {
            panic!("{what} did not happen: {:#?} {:#?} {:#?}", self.connection, self.pods, self.deployments);
        }
    }

    pub async fn until_live(&mut self) {
        self.until("a live connection", |view| view.state() == Some(ConnectionState::Live)).await;
    }

    pub fn state(&self) -> Option<ConnectionState> {
        self.connection.as_ref().map(|connection| connection.state)
    }

    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.values().find(|pod| pod.name == name)
    }

    pub fn ready_pods(&self) -> Vec<&Pod> {
        self.pods.values().filter(|pod| pod.ready).collect()
    }

    /// Stop reading, as a closed view does, and wait until the watch has ended because of it.
    pub async fn close(self) {
        drop(self.updates);
        timeout(PATIENCE, self.task).await.expect("it ends with its reader").unwrap();
    }

    fn take(&mut self, update: LiveUpdate) {
        if update.reset {
            self.pods.clear();
            self.events.clear();
            self.samples.clear();
        }
        self.connection = Some(update.connection);
        for uid in update.gone_pods {
            self.pods.remove(&uid);
        }
        self.pods.extend(update.pods.into_iter().map(|pod| (pod.uid.clone(), pod)));
        self.deployments = update.deployments.unwrap_or(std::mem::take(&mut self.deployments));
        self.autoscalers = update.autoscalers.unwrap_or(std::mem::take(&mut self.autoscalers));
        self.events.extend(update.events.into_iter().map(|event| (event.uid.clone(), event)));
        self.samples.extend(update.samples);
    }
}
