//! The logs of many pods as one: followed through restarts and replacements, ordered by their time stamps.

mod line;
mod merge;

use std::{collections::HashMap, time::Duration};

use futures::{AsyncBufRead, StreamExt, pin_mut};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::{
    Api,
    api::LogParams,
    runtime::watcher::{self, Event, watcher},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{interval, sleep},
};
use ts_rs::TS;

use self::{line::Lines, merge::Merge};
use crate::{Cluster, Error, ErrorKind, Result, live::Delays, pods::APP_LABEL};

/// Which lines to read.
#[derive(Clone, Debug, Deserialize, Serialize, TS)]
pub struct LogQuery {
    /// All pods of this part of Flotilla; with neither `app` nor `pod`, all pods.
    pub app: Option<String>,
    pub pod: Option<String>,
    /// Of the containers before their last restart; cannot be followed.
    pub previous: bool,
    /// Go on with new lines and new pods.
    pub follow: bool,
    /// Only lines with this in them, for example a request id.
    pub filter: Option<String>,
    /// How many of the newest lines of each container to begin with.
    pub tail: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct LogLine {
    pub pod: String,
    pub container: String,
    /// When the container wrote it, in milliseconds since 1970.
    #[ts(type = "number | null")]
    pub at: Option<i64>,
    pub text: String,
}

/// Pods write to the API server's stream at their own pace; within this long their lines can be put in order.
const WINDOW: Duration = Duration::from_millis(250);
const BATCH_EVERY: Duration = Duration::from_millis(100);
/// A log that floods does not become one message.
const BATCH_LINES: usize = 2_000;

/// Send lines in batches until they end, or, when following, until the receiver is dropped.
pub async fn read(cluster: &Cluster, query: LogQuery, batches: mpsc::Sender<Vec<LogLine>>) -> Result<()> {
    let (lines, mut inbox) = mpsc::channel::<merge::Read>(1024);
    let follow = query.follow && !query.previous;
    let reading = read_pods(cluster, LogQuery { follow, ..query }, lines);
    let mut merge = Merge::new(WINDOW);
    let mut ticks = interval(BATCH_EVERY);
    let sending = async {
        loop {
            tokio::select! {
                () = batches.closed() => return,
                line = inbox.recv(), if merge.len() < BATCH_LINES => match line {
                    Some(line) => merge.push(line),
                    None => break,
                },
                now = ticks.tick() => {
                    // A full buffer goes out as it is: waiting for order would stop the flow.
                    let lines = if merge.len() < BATCH_LINES { merge.take_due(now) } else { merge.take_all() };
                    if !lines.is_empty() && batches.send(lines).await.is_err() {
                        return;
                    }
                }
            }
        }
        let rest = merge.take_all();
        if !rest.is_empty() {
            let _ = batches.send(rest).await;
        }
    };
    // When the reading ends, its sender goes, and the sending ends after the last line.
    tokio::pin!(sending);
    tokio::select! {
        () = &mut sending => Ok(()),
        result = reading => {
            sending.await;
            result
        }
    }
}

async fn read_pods(cluster: &Cluster, query: LogQuery, lines: mpsc::Sender<merge::Read>) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut selection = watcher::Config::default();
    if let Some(app) = &query.app {
        selection = selection.labels(&format!("{APP_LABEL}={app}"));
    }
    if let Some(pod) = &query.pod {
        selection = selection.fields(&format!("metadata.name={pod}"));
    }
    let events = watcher(pods.clone(), selection);
    pin_mut!(events);
    let mut tasks = JoinSet::new();
    // What is being read, by the pod's uid and the container's name, and whether there can be more of it.
    let mut readers: HashMap<(String, String), watch::Sender<bool>> = HashMap::new();
    let mut delays = Delays::default();
    loop {
        let event = tokio::select! {
            Some(ended) = tasks.join_next() => {
                ended.unwrap_or(Ok(()))?;
                continue;
            }
            event = events.next() => event,
        };
        let Some(event) = event else { break };
        match event {
            Ok(Event::InitApply(pod) | Event::Apply(pod)) => {
                for (container, is_over) in started_containers(&pod) {
                    let key = (pod.metadata.uid.clone().unwrap_or_default(), container.clone());
                    if let Some(over) = readers.get(&key) {
                        over.send_replace(is_over);
                        continue;
                    }
                    let (sender, over) = watch::channel(is_over);
                    let reader = Reader {
                        pods: pods.clone(),
                        pod: pod.metadata.name.clone().unwrap_or_default(),
                        container,
                        query: query.clone(),
                        lines: lines.clone(),
                        last: None,
                        over,
                    };
                    readers.insert(key, sender);
                    tasks.spawn(reader.run());
                }
            }
            Ok(Event::Delete(pod)) => {
                let uid = pod.metadata.uid.unwrap_or_default();
                // Its last lines may still be on their way: the reader ends by itself when there are no more.
                readers.retain(|(reader_uid, _), _| *reader_uid != uid);
            }
            Ok(Event::InitDone) if !query.follow => break,
            Ok(Event::InitDone) => delays = Delays::default(),
            Ok(Event::Init) => {}
            Err(error) if !query.follow => return Err(unreadable(error)),
            Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.is_forbidden() => {
                return Err(Error::from(*status));
            }
            Err(error) => {
                tracing::debug!(%error, "the watch for the logs' pods broke off");
                sleep(delays.next()).await;
            }
        }
    }
    if readers.is_empty() {
        let message = match (&query.pod, &query.app) {
            (Some(pod), _) => {
                format!("There is no container to read of a pod {pod}. Choose one from the list of pods.")
            }
            (None, Some(app)) => format!("No pod of {app} has started a container yet. Try again when one has."),
            (None, None) => "No pod has started a container yet. Try again when one has.".to_owned(),
        };
        return Err(Error::passing(ErrorKind::NotFound, message));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap_or(Ok(()))?;
    }
    Ok(())
}

fn unreadable(error: watcher::Error) -> Error {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => Error::from(*status),
        other => Error::passing(ErrorKind::ClusterFailed, format!("The pods cannot be read: {other}.")),
    }
}

/// Containers that have a log, and whether it is whole: nothing starts them again.
fn started_containers(pod: &Pod) -> Vec<(String, bool)> {
    let Some(status) = &pod.status else { return Vec::new() };
    let pod_is_over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    let main = status.container_statuses.iter().flatten().map(|container| (container, pod_is_over));
    let init = status.init_container_statuses.iter().flatten().map(|container| {
        let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref());
        (container, pod_is_over || ended.is_some_and(|ended| ended.exit_code == 0))
    });
    let started = init.chain(main).filter(|(container, _)| {
        let state = container.state.as_ref();
        container.restart_count > 0 || state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    });
    started.map(|(container, is_over)| (container.name.clone(), is_over)).collect()
}

/// How a stream of lines ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    /// With the connection, maybe in the middle.
    Broken,
}

/// Reads the log of one container, through its restarts and lost connections.
struct Reader {
    pods: Api<Pod>,
    pod: String,
    container: String,
    query: LogQuery,
    lines: mpsc::Sender<merge::Read>,
    /// The time stamp of the last line that was seen; a new stream repeats the lines of its second.
    last: Option<Timestamp>,
    /// Whether the container has ended for good.
    over: watch::Receiver<bool>,
}

impl Reader {
    async fn run(mut self) -> Result<()> {
        let mut delays = Delays::default();
        loop {
            // Looked at before the stream: an end that comes meanwhile may come with lines.
            let is_over = *self.over.borrow();
            let parameters = LogParams {
                container: Some(self.container.clone()),
                follow: self.query.follow,
                previous: self.query.previous,
                since_time: self.last,
                tail_lines: self.last.is_none().then(|| i64::from(self.query.tail)),
                timestamps: true,
                ..LogParams::default()
            };
            match self.pods.log_stream(&self.pod, &parameters).await {
                Ok(stream) => {
                    let ended = self.pass_on(stream, &mut delays).await;
                    if ended.is_err() || (is_over && ended == Ok(End::Whole)) {
                        return Ok(());
                    }
                }
                // A right that is missing here is missing for all of them.
                Err(kube::Error::Api(status)) if status.is_forbidden() => return Err(Error::from(*status)),
                // Gone, or without a previous container: there is nothing to wait for.
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 400 && !self.query.follow => return Ok(()),
                Err(error) => tracing::debug!(pod = self.pod, %error, "the log cannot be read"),
            }
            if !self.query.follow {
                return Ok(());
            }
            // The container ended and may be started again, or the connection is lost.
            sleep(delays.next()).await;
        }
    }

    /// `Err` when nobody listens.
    async fn pass_on(&mut self, stream: impl AsyncBufRead, delays: &mut Delays) -> std::result::Result<End, ()> {
        pin_mut!(stream);
        let mut lines = Lines::new(stream);
        let repeated = self.last;
        // A connection that breaks off in a line is resumed from the last whole one.
        loop {
            let line = match lines.next().await {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(End::Whole),
                Err(_) => return Ok(End::Broken),
            };
            let (at, text) = line::split(&line);
            if at.is_some() && at <= repeated {
                continue;
            }
            self.last = at.or(self.last);
            *delays = Delays::default();
            if self.query.filter.as_deref().is_some_and(|filter| !text.contains(filter)) {
                continue;
            }
            let line = LogLine {
                pod: self.pod.clone(),
                container: self.container.clone(),
                at: at.map(Timestamp::as_millisecond),
                text: text.to_owned(),
            };
            self.lines.send(merge::Read { at, line }).await.map_err(drop)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{fake_api, fake_http};

    fn query(follow: bool) -> LogQuery {
        LogQuery { app: None, pod: None, previous: false, follow, filter: None, tail: 10 }
    }

    /// A pod whose init container has done its work and whose main container runs.
    fn pod() -> Value {
        let init = json!({"name": "prepare", "ready": true, "restartCount": 0, "image": "i", "imageID": "i",
                          "state": {"terminated": {"exitCode": 0}}});
        let main = json!({"name": "main", "ready": true, "restartCount": 0, "image": "i", "imageID": "i",
                          "state": {"running": {}}});
        json!({"metadata": {"name": "backend-1", "uid": "1"},
               "status": {"phase": "Running", "initContainerStatuses": [init], "containerStatuses": [main]}})
    }

    fn pods() -> Value {
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [pod()]})
    }

    #[tokio::test]
    async fn logs_that_may_not_be_read_say_so() {
        for follow in [false, true] {
            let client = fake_api::serving(|request| {
                Some(match request.starts_with("GET /api/v1/namespaces/flotilla/pods?") {
                    true => (200, pods()),
                    false => (403, fake_api::status(403, "Forbidden")),
                })
            })
            .await;
            let (sender, _batches) = mpsc::channel(16);
            let cluster = Cluster::with_client(client, "lab", "flotilla");
            let reading = tokio::time::timeout(Duration::from_secs(10), read(&cluster, query(follow), sender));
            assert_eq!(reading.await.expect("it ends").unwrap_err().kind, ErrorKind::Forbidden);
        }
    }

    #[tokio::test]
    async fn a_container_that_has_ended_for_good_is_read_once() {
        let (asked, mut questions) = mpsc::unbounded_channel();
        let url = fake_http::serve(move |request| {
            if request.starts_with("GET /api/v1/namespaces/flotilla/pods?") {
                return fake_http::response(200, "application/json", &pods().to_string());
            }
            let container = ["prepare", "main"].into_iter().find(|name| request.contains(&format!("container={name}")));
            let _ = asked.send(container);
            fake_http::response(200, "text/plain", "2026-01-01T00:00:00.000000000Z a line\n")
        })
        .await;
        let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
        let cluster = Cluster::with_client(client, "lab", "flotilla");
        let (sender, _batches) = mpsc::channel(16);
        tokio::spawn(async move { read(&cluster, query(true), sender).await });

        // The main container's log ends as well, and may go on: it is asked for again and again.
        let (mut prepare, mut main) = (0, 0);
        while main < 3 {
            let question = tokio::time::timeout(Duration::from_secs(20), questions.recv()).await;
            match question.expect("the main container is asked again").unwrap() {
                Some("prepare") => prepare += 1,
                _ => main += 1,
            }
        }
        assert_eq!(prepare, 1);
    }
}
