//! Everything that is known, and what of it the reader has not been told yet.

use tokio::sync::mpsc;

use super::{LiveUpdate, Message, connection::Links, measuring::Measured, now, table::Table};
use crate::{
    autoscaler::Autoscaler,
    events::{ClusterEvent, EventStore},
    pods::Pod,
    samples::Sample,
    workloads::{Workload, WorkloadKind},
};

/// The Deployment that scales.
const BACKEND: &str = "backend";
/// Events that arrive together are stored together.
const EVENT_BATCH: usize = 256;

pub(super) struct News {
    links: Links,
    pods: Table<Pod>,
    deployments: Table<Workload>,
    stateful_sets: Table<Workload>,
    autoscalers: Table<Autoscaler>,
    pub events: Vec<ClusterEvent>,
    pub samples: Vec<Sample>,
    url: Option<String>,
    healthy: Option<bool>,
    /// The first update tells the reader to forget.
    reset: bool,
    /// Something besides objects, events and samples has changed.
    other: bool,
}

impl News {
    pub(super) fn new(url: Option<String>) -> Self {
        Self {
            links: Links::new(now()),
            pods: Table::default(),
            deployments: Table::default(),
            stateful_sets: Table::default(),
            autoscalers: Table::default(),
            events: Vec::new(),
            samples: Vec::new(),
            url,
            healthy: None,
            reset: true,
            other: true,
        }
    }

    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Link(source, link) => self.other |= self.links.set(source, link, now()),
            Message::Pods(change) => self.pods.take(change),
            Message::Deployments(change) => self.deployments.take(change),
            Message::StatefulSets(change) => self.stateful_sets.take(change),
            Message::Autoscalers(change) => self.autoscalers.take(change),
            Message::Events(events) => self.events.extend(events),
            // An answer of the address before is none of this one's.
            Message::Healthy(url, healthy) if self.url.as_ref() == Some(&url) => {
                self.other |= self.healthy != Some(healthy);
                self.healthy = Some(healthy);
            }
            Message::Healthy(..) | Message::Identified(_) => {}
            Message::Measured(measured) => drop(self.measure(measured)),
        }
    }

    /// Where it answers from now on.
    pub(super) fn set_url(&mut self, url: Option<String>) {
        if self.url != url {
            (self.url, self.healthy, self.other) = (url, None, true);
        }
    }

    pub(super) fn has_any(&self) -> bool {
        self.other
            || self.pods.has_changed()
            || self.deployments.has_changed()
            || self.stateful_sets.has_changed()
            || self.autoscalers.has_changed()
            || !self.events.is_empty()
            || !self.samples.is_empty()
    }

    /// What is new since the last call.
    pub(super) fn update(&mut self) -> LiveUpdate {
        self.other = false;
        let workloads_changed =
            self.deployments.has_changed() || self.stateful_sets.has_changed() || self.autoscalers.has_changed();
        let autoscalers_changed = self.autoscalers.has_changed();
        let update = LiveUpdate {
            reset: std::mem::take(&mut self.reset),
            connection: self.links.connection.clone(),
            pods: self.pods.changed.drain().filter_map(|uid| self.pods.items.get(&uid).cloned()).collect(),
            gone_pods: self.pods.gone.drain().collect(),
            deployments: workloads_changed.then(|| self.workloads()),
            autoscalers: autoscalers_changed.then(|| self.sorted_autoscalers()),
            events: std::mem::take(&mut self.events),
            samples: std::mem::take(&mut self.samples),
            url: self.url.clone(),
            healthy: self.healthy,
        };
        self.pods.settle();
        self.deployments.settle();
        self.stateful_sets.settle();
        self.autoscalers.settle();
        update
    }

    /// The backends that can be asked for their metrics, by uid and name.
    pub(super) fn backends(&self) -> Vec<(String, String)> {
        let running = |pod: &&Pod| pod.app == BACKEND && pod.phase == "Running" && !pod.deleting;
        self.pods.items.values().filter(running).map(|pod| (pod.uid.clone(), pod.name.clone())).collect()
    }

    /// Put the numbers of one round where they belong.
    pub(super) fn measure(&mut self, measured: Measured) -> Sample {
        if let Some(usage) = measured.usage {
            for pod in self.pods.items.values_mut() {
                let used = usage.get(&pod.name);
                let (cpu, memory) = (used.map(|used| used.cpu_millicores), used.map(|used| used.memory_bytes));
                if (cpu, memory) != (pod.cpu_millicores, pod.memory_bytes) {
                    (pod.cpu_millicores, pod.memory_bytes) = (cpu, memory);
                    self.pods.changed.insert(pod.uid.clone());
                }
            }
        }
        let autoscaler = self
            .autoscalers
            .items
            .values()
            .min_by_key(|autoscaler| (autoscaler.target != BACKEND, autoscaler.name.clone()));
        let target = autoscaler.map_or(BACKEND, |autoscaler| autoscaler.target.as_str());
        let deployment = self.deployments.items.get(target);
        let metric = autoscaler.and_then(|autoscaler| autoscaler.metrics.first());
        let desired = autoscaler.map(|autoscaler| autoscaler.desired);
        let rates = measured.rates;
        let sample = Sample {
            at: now(),
            desired: desired.or(deployment.map(|deployment| deployment.desired)).map(f64::from),
            current: deployment.map(|deployment| f64::from(deployment.current)),
            ready: deployment.map(|deployment| f64::from(deployment.ready)),
            min: autoscaler.map(|autoscaler| f64::from(autoscaler.min)),
            max: autoscaler.map(|autoscaler| f64::from(autoscaler.max)),
            metric: metric.and_then(|metric| metric.current),
            target: metric.map(|metric| metric.target),
            tokens_per_second: rates.tokens_per_second,
            ttft_ms: rates.ttft_ms,
            queue_depth: rates.queue_depth,
            in_flight: rates.in_flight,
        };
        self.samples.push(sample);
        sample
    }

    fn workloads(&self) -> Vec<Workload> {
        let owner = |workload: &Workload| {
            let mut owners = self.autoscalers.items.values();
            // Only Deployments are scaled here, and an autoscaler names its target without the kind.
            let owner = owners.find(|owner| owner.target == workload.name)?;
            (workload.kind == WorkloadKind::Deployment).then(|| owner.name.clone())
        };
        let all = self.deployments.items.values().chain(self.stateful_sets.items.values());
        let mut workloads: Vec<_> =
            all.map(|workload| Workload { autoscaler: owner(workload), ..workload.clone() }).collect();
        workloads.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        workloads
    }

    fn sorted_autoscalers(&self) -> Vec<Autoscaler> {
        let mut autoscalers: Vec<_> = self.autoscalers.items.values().cloned().collect();
        autoscalers.sort_by(|a, b| a.name.cmp(&b.name));
        autoscalers
    }
}

/// Store the events as they come and pass on those that are new. A disk that is full costs their keeping, not the view.
pub(super) async fn keep_events(
    store: Option<EventStore>,
    mut happenings: mpsc::Receiver<ClusterEvent>,
    messages: mpsc::Sender<Message>,
) {
    let mut batch = Vec::with_capacity(EVENT_BATCH);
    while happenings.recv_many(&mut batch, EVENT_BATCH).await > 0 {
        let mut events = std::mem::take(&mut batch);
        events.sort_by_key(|event| event.at);
        let news = match &store {
            None => events,
            Some(store) => match store.keep(events.clone()).await {
                Ok(news) => news,
                Err(error) => {
                    tracing::warn!("events cannot be kept: {error:#}");
                    events
                }
            },
        };
        if !news.is_empty() && messages.send(Message::Events(news)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{
            connection::{Link, Source},
            table::Change,
        },
        *,
    };
    use crate::metrics::{Rates, Usage};

    fn pod(uid: &str) -> Pod {
        let object = json!({
            "metadata": {"uid": uid, "name": format!("backend-{uid}"),
                         "labels": {"app.kubernetes.io/name": "backend"}},
            "spec": {"containers": [{"name": "backend"}]},
            "status": {"phase": "Running"},
        });
        Pod::from(&serde_json::from_value::<k8s_openapi::api::core::v1::Pod>(object).unwrap())
    }

    fn autoscaler() -> Autoscaler {
        let object: k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler =
            serde_json::from_str(include_str!("../../tests/fixtures/autoscaler-scaling-up.json")).unwrap();
        Autoscaler::from(&object)
    }

    fn deployment() -> Workload {
        Workload {
            kind: WorkloadKind::Deployment,
            name: "backend".to_owned(),
            namespace: "flotilla".to_owned(),
            desired: 2,
            current: 2,
            updated: 2,
            ready: 1,
            available: 1,
            why: None,
            autoscaler: None,
        }
    }

    #[test]
    fn the_first_update_tells_to_forget_and_the_next_one_holds_only_what_changed() {
        let mut news = News::new(Some("http://localhost".to_owned()));
        news.take(Message::Pods(Change::Applied(pod("1"))));
        let first = news.update();
        assert!(first.reset);
        assert_eq!(first.pods, [pod("1")]);
        assert!(!news.has_any());
        news.take(Message::Pods(Change::Applied(pod("2"))));
        let second = news.update();
        assert!(!second.reset);
        assert_eq!(second.pods, [pod("2")]);
        assert_eq!(second.deployments, None);
    }

    #[test]
    fn that_there_is_nothing_is_told_once() {
        let mut news = News::new(None);
        assert_eq!(news.update().deployments, None);
        news.take(Message::Deployments(Change::ListBegins));
        news.take(Message::Deployments(Change::ListEnds));
        assert!(news.has_any());
        assert_eq!(news.update().deployments, Some(vec![]));
        assert!(!news.has_any());
    }

    #[test]
    fn a_deployment_learns_of_its_autoscaler_whichever_comes_first() {
        let mut news = News::new(None);
        news.take(Message::Deployments(Change::Applied(deployment())));
        assert_eq!(news.update().deployments.unwrap()[0].autoscaler, None);
        news.take(Message::Autoscalers(Change::Applied(autoscaler())));
        assert_eq!(news.update().deployments.unwrap()[0].autoscaler.as_deref(), Some("backend"));
    }

    #[test]
    fn usage_reaches_the_pods_and_stays_when_the_watch_speaks() {
        let mut news = News::new(None);
        news.take(Message::Pods(Change::Applied(pod("1"))));
        let usage = Usage { cpu_millicores: 120.0, memory_bytes: 1e8 };
        let usage = Some([("backend-1".to_owned(), usage)].into());
        news.take(Message::Measured(Measured { usage, rates: Rates::default() }));
        news.update();
        news.take(Message::Pods(Change::Applied(Pod { restarts: 1, ..pod("1") })));
        let changed = &news.update().pods[0];
        assert_eq!((changed.restarts, changed.cpu_millicores), (1, Some(120.0)));
    }

    #[test]
    fn a_sample_joins_replicas_metric_and_speed() {
        let mut news = News::new(None);
        news.take(Message::Deployments(Change::Applied(deployment())));
        news.take(Message::Autoscalers(Change::Applied(autoscaler())));
        let rates = Rates { tokens_per_second: Some(30.0), in_flight: Some(2.0), ..Rates::default() };
        let sample = news.measure(Measured { usage: None, rates });
        let expected = Sample {
            at: sample.at,
            desired: Some(4.0),
            current: Some(2.0),
            ready: Some(1.0),
            min: Some(2.0),
            max: Some(4.0),
            metric: Some(87.0),
            target: Some(50.0),
            tokens_per_second: Some(30.0),
            ttft_ms: None,
            queue_depth: None,
            in_flight: Some(2.0),
        };
        assert_eq!(sample, expected);
    }

    #[test]
    fn a_link_that_says_the_same_again_makes_no_update() {
        let mut news = News::new(None);
        news.update();
        news.take(Message::Link(Source::Pods, Link::Up));
        news.take(Message::Link(Source::Pods, Link::Up));
        assert!(!news.has_any());
    }
}
