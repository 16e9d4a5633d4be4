//! What the cluster does now: one watch per kind, merged into updates for one reader.
//!
//! Objects are listed once and watched from there on; only what has no watch (metrics.k8s.io, the backends' `/metrics`)
//! is asked every 15 seconds. Nothing runs on after the reader has gone.

mod connection;
mod measuring;
mod news;
mod table;
mod watching;

use std::{path::PathBuf, time::Duration};

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{Event, Pod as PodObject},
};
use kube::Api;
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until},
};
use ts_rs::TS;

pub use self::connection::{Connection, ConnectionState};
pub(crate) use self::watching::Delays;
use self::{connection::Source, measuring::Measured, news::News, table::Change, watching::Watching};
use crate::{
    Cluster,
    autoscaler::Autoscaler,
    events::{ClusterEvent, EventStore},
    pods::Pod,
    samples::{Sample, SampleRing},
    workloads::Workload,
};

/// What has changed since the update before.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct LiveUpdate {
    /// Forget everything known before.
    pub reset: bool,
    pub connection: Connection,
    /// New and changed pods.
    pub pods: Vec<Pod>,
    /// The uids of pods that are gone.
    pub gone_pods: Vec<String>,
    /// All Deployments and StatefulSets; `None` when none of them has changed.
    pub deployments: Option<Vec<Workload>>,
    /// All autoscalers; `None` when none of them has changed.
    pub autoscalers: Option<Vec<Autoscaler>>,
    /// New events, oldest first, and those that happened again, by the same uid.
    pub events: Vec<ClusterEvent>,
    /// New samples, oldest first.
    pub samples: Vec<Sample>,
    /// Where the deployment answers.
    pub url: Option<String>,
    /// Whether it did, when asked last.
    pub healthy: Option<bool>,
}

/// What to watch besides the cluster's objects, and where to keep what the API forgets.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// Where events and samples are kept.
    pub state_folder: PathBuf,
    /// The deployed address, whose `/health` is asked.
    pub url: Option<String>,
}

/// Updates are merged for this long. A person sees no difference, and a rollout of 1,000 pods makes few of them.
const MERGE: Duration = Duration::from_millis(100);
const SAMPLE_EVERY: Duration = Duration::from_secs(15);
/// The first sample does not wait: the pods' use of memory belongs to the first picture.
const FIRST_SAMPLE: Duration = Duration::from_secs(1);
const EVENTS_SHOWN: u32 = 500;

/// What the tasks tell the one that merges.
enum Message {
    Link(Source, connection::Link),
    Pods(Change<Pod>),
    Deployments(Change<Workload>),
    StatefulSets(Change<Workload>),
    Autoscalers(Change<Autoscaler>),
    Events(Vec<ClusterEvent>),
    Measured(Measured),
    Healthy(bool),
}

/// Watch the cluster and send what changes, until the receiver is dropped. Dropping this future stops it as well.
pub async fn follow(cluster: Cluster, options: LiveOptions, updates: mpsc::Sender<LiveUpdate>) {
    let scope = format!("{}/{}", cluster.context, cluster.namespace);
    let mut ring = None;
    let mut news = News::new(options.url.clone());
    match SampleRing::open(&options.state_folder, &scope) {
        Ok((opened, samples)) => {
            ring = Some(opened);
            news.samples = samples;
        }
        Err(error) => tracing::warn!("samples will not survive a restart: {error:#}"),
    }
    let store = match EventStore::open(&options.state_folder, &scope).await {
        Ok(store) => Some(store),
        Err(error) => {
            tracing::warn!("events will not survive a restart: {error:#}");
            None
        }
    };
    if let Some(store) = &store {
        news.events = store.newest(EVENTS_SHOWN).await.unwrap_or_default();
    }

    // Dropping the set ends its tasks, and this function ends with its receiver.
    let mut tasks = JoinSet::new();
    let (messages, mut inbox) = mpsc::channel(1024);
    let ask = spawn_tasks(&mut tasks, &cluster, &options, store, messages);
    let mut ticks = interval_at(Instant::now() + FIRST_SAMPLE, SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = updates.closed() => return,
            message = inbox.recv() => match message {
                Some(Message::Measured(measured)) => {
                    let sample = news.measure(measured);
                    if let Some(Err(error)) = ring.as_mut().map(|ring| ring.push(&sample)) {
                        tracing::warn!("{error:#}");
                    }
                }
                Some(message) => news.take(message),
                None => return,
            },
            _ = ticks.tick() => {
                // When the last round is still under way, its answer is the next sample.
                let _ = ask.try_send(news.backends());
            }
            // A reader that is slow gets fewer updates, each with more in it.
            permit = async { sleep_until(due).await; updates.reserve().await }, if news.has_any() => match permit {
                Ok(permit) => {
                    permit.send(news.update());
                    due = Instant::now() + MERGE;
                }
                Err(_) => return,
            },
        }
    }
}

fn spawn_tasks(
    tasks: &mut JoinSet<()>,
    cluster: &Cluster,
    options: &LiveOptions,
    store: Option<EventStore>,
    messages: mpsc::Sender<Message>,
) -> mpsc::Sender<Vec<(String, String)>> {
    let Cluster { client, namespace, .. } = cluster;
    let (woken, wake) = watch::channel(());
    let watching = |source| Watching { client: client.clone(), source, messages: messages.clone(), wake: wake.clone() };
    let pods: Api<PodObject> = Api::namespaced(client.clone(), namespace);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let stateful_sets: Api<StatefulSet> = Api::namespaced(client.clone(), namespace);
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), namespace);
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    tasks.spawn(watching(Source::Pods).run(pods, |pod| Pod::from(pod), Message::Pods));
    tasks.spawn(watching(Source::Deployments).run(deployments, |object| Workload::from(object), Message::Deployments));
    tasks.spawn(watching(Source::StatefulSets).run(stateful_sets, |set| Workload::from(set), Message::StatefulSets));
    tasks.spawn(watching(Source::Autoscalers).run(
        autoscalers,
        |object| Autoscaler::from(object),
        Message::Autoscalers,
    ));

    let (happened, happenings) = mpsc::channel(1024);
    tasks.spawn(watching(Source::Events).run_into(events, |event| ClusterEvent::from(event), happened));
    tasks.spawn(news::keep_events(store, happenings, messages.clone()));

    let (ask, asked) = mpsc::channel(1);
    tasks.spawn(measuring::measure(cluster.clone(), asked, messages.clone(), woken));
    if let Some(url) = options.url.clone() {
        tasks.spawn(measuring::probe(url, messages));
    }
    ask
}

/// Now, in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::{Client, client::Body};

    use super::*;

    /// A cluster whose API server never answers, but counts who still waits for it.
    fn silent_cluster() -> (Cluster, tower_test::mock::Handle<Request<Body>, Response<Body>>) {
        let (service, server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "flotilla");
        let cluster = Cluster { client, context: "test".to_owned(), namespace: "flotilla".to_owned(), is_local: true };
        (cluster, server)
    }

    #[tokio::test]
    async fn what_was_kept_is_shown_before_the_cluster_answers() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample { at: 1, ready: Some(2.0), ..Sample::default() };
        SampleRing::open(folder.path(), "test/flotilla").unwrap().0.push(&sample).unwrap();
        let (cluster, _server) = silent_cluster();
        let (sender, mut updates) = mpsc::channel(1);
        let options = LiveOptions { state_folder: folder.path().to_owned(), url: None };
        tokio::spawn(follow(cluster, options, sender));
        let first = updates.recv().await.unwrap();
        assert!(first.reset);
        assert_eq!(first.connection.state, ConnectionState::Connecting);
        assert_eq!(first.samples, [sample]);
    }

    #[tokio::test]
    async fn nothing_runs_on_after_the_reader_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (cluster, mut server) = silent_cluster();
        let (sender, mut updates) = mpsc::channel(1);
        let options = LiveOptions { state_folder: folder.path().to_owned(), url: None };
        let following = tokio::spawn(follow(cluster, options, sender));
        updates.recv().await.unwrap();
        drop(updates);
        following.await.unwrap();
        // Every task held a client; with the last one gone, the server hears nothing more.
        let left = async { while server.next_request().await.is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), left).await.expect("all clients are gone");
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_costs_the_keeping_and_not_the_view() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let (cluster, _server) = silent_cluster();
        let (sender, mut updates) = mpsc::channel(1);
        tokio::spawn(follow(cluster, LiveOptions { state_folder: file, url: None }, sender));
        assert!(updates.recv().await.unwrap().reset);
    }
}
