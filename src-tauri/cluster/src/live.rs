//! What the cluster does now: one watch per kind, merged into updates for one reader.
//!
//! Objects are listed once and watched from there on; only what has no watch (metrics.k8s.io, the backends' `/metrics`)
//! is asked every 15 seconds. Nothing runs on after the reader has gone.

mod connection;
mod measuring;
mod news;
mod table;
mod watching;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

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
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until},
};
use ts_rs::TS;

pub use self::connection::{Connection, ConnectionState};
pub(crate) use self::watching::Delays;
use self::{
    connection::{Link, Source},
    measuring::Measured,
    news::News,
    table::Change,
    watching::Watching,
};
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
    /// The deployed address, whose `/health` is asked. The first deploy comes after the first look.
    pub url: watch::Receiver<Option<String>>,
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
    /// Of the address that was asked.
    Healthy(String, bool),
    /// Which cluster it is that answers.
    Identified(String),
}

/// Watch the cluster and send what changes, until the receiver is dropped. Dropping this future stops it as well.
pub async fn follow(cluster: Cluster, options: LiveOptions, updates: mpsc::Sender<LiveUpdate>) {
    let LiveOptions { state_folder, mut url } = options;
    // What is shown before the cluster has said which one it is: what was there the last time.
    let mut identity = cluster.identity.met_last(&state_folder);
    let mut kept = Kept::open(&state_folder, &scope(&identity, &cluster)).await;
    let address = url.borrow_and_update().clone();
    let mut news = kept.news(address).await;

    // Dropping the set ends its tasks, and this function ends with its receiver.
    let mut tasks = JoinSet::new();
    let (messages, mut inbox) = mpsc::channel(1024);
    tasks.spawn(identify(cluster.clone(), messages.clone()));
    tasks.spawn(measuring::probe(url.clone(), messages.clone()));
    let mut ask = None;
    let mut ticks = interval_at(Instant::now() + FIRST_SAMPLE, SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = updates.closed() => return,
            message = inbox.recv() => match message {
                Some(Message::Measured(measured)) => {
                    let sample = news.measure(measured);
                    if let Some(Err(error)) = kept.ring.as_mut().map(|ring| ring.push(&sample)) {
                        tracing::warn!("{error:#}");
                    }
                }
                Some(Message::Identified(found)) => {
                    news.take(Message::Link(Source::Metrics, Link::Up));
                    if found != identity {
                        identity = found;
                        kept = Kept::open(&state_folder, &scope(&identity, &cluster)).await;
                        let address = url.borrow().clone();
                        news = kept.news(address).await;
                    }
                    if let Err(error) = cluster.identity.meet(&identity, &state_folder) {
                        tracing::warn!(%error, "the cluster will not be known before it answers");
                    }
                    // Nothing of this cluster is read before it is known where to keep it.
                    ask = Some(spawn_tasks(&mut tasks, &cluster, kept.events.clone(), messages.clone()));
                }
                Some(message) => news.take(message),
                None => return,
            },
            Ok(()) = url.changed() => news.set_url(url.borrow_and_update().clone()),
            _ = ticks.tick() => {
                // When the last round is still under way, its answer is the next sample.
                let _ = ask.as_ref().map(|ask| ask.try_send(news.backends()));
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

fn scope(identity: &str, cluster: &Cluster) -> String {
    format!("{identity}/{}", cluster.namespace)
}

/// What survives a restart, of one namespace of one cluster.
struct Kept {
    ring: Option<SampleRing>,
    samples: Vec<Sample>,
    events: Option<EventStore>,
}

impl Kept {
    async fn open(state_folder: &Path, scope: &str) -> Self {
        let (mut ring, mut samples) = (None, Vec::new());
        match SampleRing::open(state_folder, scope) {
            Ok((opened, kept)) => (ring, samples) = (Some(opened), kept),
            Err(error) => tracing::warn!("samples will not survive a restart: {error:#}"),
        }
        let events = EventStore::open(state_folder, scope).await;
        let events = events.inspect_err(|error| tracing::warn!("events will not survive a restart: {error:#}")).ok();
        Self { ring, samples, events }
    }

    /// The first picture.
    async fn news(&mut self, url: Option<String>) -> News {
        let mut news = News::new(url);
        news.samples = std::mem::take(&mut self.samples);
        if let Some(events) = &self.events {
            news.events = events.newest(EVENTS_SHOWN).await.unwrap_or_default();
        }
        news
    }
}

/// Ask the cluster which one it is until it answers.
async fn identify(cluster: Cluster, messages: mpsc::Sender<Message>) {
    let mut delays = Delays::default();
    let identity = loop {
        match cluster.identity().await {
            Ok(identity) => break identity,
            Err(error) => {
                let down = Link::Down(error.message);
                if messages.send(Message::Link(Source::Metrics, down)).await.is_err() {
                    return;
                }
            }
        }
        sleep(delays.next()).await;
    };
    let _ = messages.send(Message::Identified(identity)).await;
}

fn spawn_tasks(
    tasks: &mut JoinSet<()>,
    cluster: &Cluster,
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
    tasks.spawn(measuring::measure(cluster.clone(), asked, messages, woken));
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
    use crate::{fake_api, fake_http};

    /// A cluster whose API server never answers, but counts who still waits for it.
    fn silent_cluster() -> (Cluster, tower_test::mock::Handle<Request<Body>, Response<Body>>) {
        let (service, server) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "flotilla");
        let cluster = Cluster::with_client(client, "test", "flotilla");
        (cluster, server)
    }

    #[tokio::test]
    async fn what_was_kept_is_shown_before_the_cluster_answers() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample { at: 1, ready: Some(2.0), ..Sample::default() };
        let (cluster, _server) = silent_cluster();
        cluster.identity.meet("uid-1", folder.path()).unwrap();
        SampleRing::open(folder.path(), "uid-1/flotilla").unwrap().0.push(&sample).unwrap();
        let (sender, mut updates) = mpsc::channel(1);
        let options = LiveOptions { state_folder: folder.path().to_owned(), url: watch::channel(None).1 };
        tokio::spawn(follow(cluster, options, sender));
        let first = updates.recv().await.unwrap();
        assert!(first.reset);
        assert_eq!(first.connection.state, ConnectionState::Connecting);
        assert_eq!(first.samples, [sample]);
    }

    #[tokio::test]
    async fn a_cluster_that_was_made_anew_inherits_nothing_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |identity: &str, at| {
            let mut ring = SampleRing::open(folder.path(), &format!("{identity}/flotilla")).unwrap().0;
            ring.push(&Sample { at, ..Sample::default() }).unwrap();
        };
        keep("uid-old", 1);
        keep("uid-new", 2);
        let cluster = Cluster::with_client(fake_api::cluster("uid-new").await, "k3d-flotilla", "flotilla");
        cluster.identity.meet("uid-old", folder.path()).unwrap();
        let (sender, mut updates) = mpsc::channel(1);
        let options = LiveOptions { state_folder: folder.path().to_owned(), url: watch::channel(None).1 };
        tokio::spawn(follow(cluster.clone(), options, sender));

        let update = async {
            loop {
                let update = updates.recv().await.unwrap();
                if update.reset && update.samples.iter().all(|sample| sample.at == 2) {
                    return update;
                }
            }
        };
        let update = tokio::time::timeout(Duration::from_secs(10), update).await.expect("it is known by its uid");
        assert_eq!(update.samples.len(), 1);
        assert_eq!(cluster.identity.met_last(folder.path()), "uid-new");
    }

    #[tokio::test]
    async fn the_address_of_a_first_deploy_is_asked_as_soon_as_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let (cluster, _server) = silent_cluster();
        let (sender, mut updates) = mpsc::channel(1);
        let (deployed, url) = watch::channel(None);
        let options = LiveOptions { state_folder: folder.path().to_owned(), url };
        tokio::spawn(follow(cluster, options, sender));
        assert_eq!(updates.recv().await.unwrap().url, None);

        let address = fake_http::serve(|_| fake_http::response(200, "text/plain", "ok")).await;
        deployed.send(Some(address.clone())).unwrap();
        let healthy = async {
            while let Some(update) = updates.recv().await {
                if (update.url.as_ref(), update.healthy) == (Some(&address), Some(true)) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), healthy).await.expect("the new address is asked");
    }

    #[tokio::test]
    async fn nothing_runs_on_after_the_reader_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (cluster, mut server) = silent_cluster();
        let (sender, mut updates) = mpsc::channel(1);
        let options = LiveOptions { state_folder: folder.path().to_owned(), url: watch::channel(None).1 };
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
        tokio::spawn(follow(cluster, LiveOptions { state_folder: file, url: watch::channel(None).1 }, sender));
        assert!(updates.recv().await.unwrap().reset);
    }
}
