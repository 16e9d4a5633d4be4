//! The failure drill: a pod is killed while it answers, and what that cost is reported.

mod answer;
mod outage;
mod replacement;

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::DeleteParams};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use ts_rs::TS;

use self::{
    answer::{Conversations, Fate, Outcome},
    outage::Outage,
    replacement::Replacement,
};
use crate::{Cluster, Error, ErrorKind, Result, connection::answer as api_answer, metrics};

#[derive(Clone, Debug, Deserialize, Serialize, TS)]
pub struct DrillOptions {
    /// The deployed address, without a path.
    pub url: String,
    pub app: DrillApp,
    /// How many answers are being written when the pod is killed.
    pub chats: u32,
}

/// Whose pod is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum DrillApp {
    Backend,
    Frontend,
}

impl DrillApp {
    fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Frontend => "frontend",
        }
    }

    /// What of the address only this app answers.
    fn path(self) -> &'static str {
        match self {
            Self::Backend => "/health",
            Self::Frontend => "/",
        }
    }
}

/// How it goes, and in the end what it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, TS)]
pub struct DrillReport {
    pub done: bool,
    /// What is going on, in words.
    pub stage: String,
    pub killed_pod: Option<String>,
    pub answers: u32,
    pub complete: u32,
    /// Broken off; the conversation keeps what had arrived and offers a retry.
    pub interrupted: u32,
    /// Text that a reader had seen and that the conversation does not have.
    pub lost_characters: u32,
    /// How long nothing answered at the address, in sum.
    #[ts(type = "number | null")]
    pub unavailable_ms: Option<u64>,
    /// From the kill until as many pods were ready as before.
    #[ts(type = "number | null")]
    pub replaced_after_ms: Option<u64>,
    pub sentences: Vec<String>,
}

pub const MAX_CHATS: u32 = 32;
/// For all answers to have begun.
const BEGIN_PATIENCE: Duration = Duration::from_secs(60);
/// For the answers to end after the kill, the lease of a dead server's answers included.
const END_PATIENCE: Duration = Duration::from_secs(180);
const REPLACE_PATIENCE: Duration = Duration::from_secs(180);

/// Do the drill and send how it goes; the last report has `done`. Dropping the receiver, or this future, ends it.
pub async fn run(cluster: &Cluster, options: DrillOptions, reports: mpsc::Sender<DrillReport>) -> Result<()> {
    tokio::select! {
        () = reports.closed() => Ok(()),
        result = drill(cluster, options, &reports) => result,
    }
}

async fn drill(cluster: &Cluster, options: DrillOptions, reports: &mpsc::Sender<DrillReport>) -> Result<()> {
    if !(1..=MAX_CHATS).contains(&options.chats) {
        let message = format!("The drill takes 1 to {MAX_CHATS} answers, not {}.", options.chats);
        return Err(Error::lasting(ErrorKind::ClusterFailed, message));
    }
    let app = options.app.name();
    let mut report = DrillReport { answers: options.chats, ..DrillReport::default() };
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut replacement = Replacement::watch(pods.clone(), app);
    let ready = replacement.ready_pods().await?;

    tell(reports, &mut report, format!("{} answers begin.", options.chats)).await;
    let conversations = Conversations::new(&options.url)?;
    let mut answers = FuturesUnordered::new();
    let (begun, mut beginnings) = mpsc::unbounded_channel();
    for number in 0..options.chats {
        let run = conversations.ask(number).await?;
        answers.push(conversations.follow(run, begun.clone()));
    }
    let mut outcomes = Vec::new();
    let all_begun = async {
        for _ in 0..options.chats {
            beginnings.recv().await;
        }
    };
    // The answers are read meanwhile, or they could not begin.
    let waiting = timeout(BEGIN_PATIENCE, all_begun);
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            begun = &mut waiting => {
                if begun.is_err() {
                    let message = "Not all answers began within a minute. Wait until the pods are ready, or take fewer.";
                    return Err(Error::passing(ErrorKind::ClusterFailed, message));
                }
                break;
            }
            Some(outcome) = answers.next() => outcomes.push(outcome),
        }
    }
    let ended_before = outcomes.len() as u32;

    let victim = victim(cluster, options.app, ready).await;
    tell(reports, &mut report, format!("{victim} is killed.")).await;
    let killed_at = Instant::now();
    // One second is what the kubelet gives a process at least; nobody finishes an answer in it.
    api_answer(pods.delete(&victim, &DeleteParams::default().grace_period(1))).await?;
    report.killed_pod = Some(victim.clone());

    tell(reports, &mut report, "The answers reconnect and go on.".to_owned()).await;
    let outage = Outage::watch(&options.url, options.app.path());
    let rest = async {
        let ended = timeout(END_PATIENCE, async {
            while let Some(outcome) = answers.next().await {
                outcomes.push(outcome);
            }
        });
        ended.await.is_ok()
    };
    let (all_ended, replaced) = tokio::join!(rest, timeout(REPLACE_PATIENCE, replacement.replaced(&victim)));
    report.replaced_after_ms = matches!(replaced, Ok(Ok(()))).then(|| replacement.since(killed_at));
    report.unavailable_ms = Some(outage.end().await.as_millis() as u64);
    count(&mut report, &outcomes);
    report.sentences = sentences(&report, &outcomes, ended_before, all_ended);
    report.done = true;
    tell(reports, &mut report, "Done.".to_owned()).await;
    conversations.forget().await;
    Ok(())
}

async fn tell(reports: &mpsc::Sender<DrillReport>, report: &mut DrillReport, stage: String) {
    report.stage = stage;
    // A reader that is gone ends the drill elsewhere.
    let _ = reports.send(report.clone()).await;
}

/// The pod that has the most to lose.
async fn victim(cluster: &Cluster, app: DrillApp, mut ready: Vec<String>) -> String {
    ready.sort_unstable();
    let mut busiest = (-1.0, String::new());
    for pod in ready {
        let in_flight = match app {
            DrillApp::Backend => metrics::in_flight(&cluster.client, &cluster.namespace, &pod).await.unwrap_or(0.0),
            DrillApp::Frontend => 0.0,
        };
        if in_flight > busiest.0 {
            busiest = (in_flight, pod);
        }
    }
    busiest.1
}

fn count(report: &mut DrillReport, outcomes: &[Outcome]) {
    report.complete = outcomes.iter().filter(|outcome| outcome.fate == Fate::Complete).count() as u32;
    report.interrupted = outcomes.iter().filter(|outcome| outcome.fate == Fate::Interrupted).count() as u32;
    report.lost_characters = outcomes.iter().map(|outcome| outcome.lost_characters).sum();
}

fn sentences(report: &DrillReport, outcomes: &[Outcome], ended_before: u32, all_ended: bool) -> Vec<String> {
    let mut sentences = Vec::new();
    let of = |count: u32| format!("{count} of {} answers", report.answers);
    sentences.push(format!("{} reached their end.", of(report.complete)));
    if ended_before > 0 {
        sentences.push(format!("{} had ended before the kill, so they prove nothing.", of(ended_before)));
    }
    let resumed = outcomes.iter().filter(|outcome| outcome.reconnected && outcome.fate == Fate::Complete).count();
    if resumed > 0 {
        sentences.push(format!("{} lost their connection and went on where they were.", of(resumed as u32)));
    }
    if report.interrupted > 0 {
        sentences.push(format!(
            "{} broke off with the pod that was writing them; the conversation keeps their text and offers a retry.",
            of(report.interrupted)
        ));
    }
    let vanished = outcomes.iter().filter(|outcome| outcome.fate == Fate::Vanished).count() as u32;
    if vanished > 0 {
        sentences.push(format!("{} are not known to the server any more.", of(vanished)));
    }
    if !all_ended {
        sentences.push(format!("{} had not ended when the drill did.", of(report.answers - outcomes.len() as u32)));
    }
    sentences.push(match report.lost_characters {
        0 => "No text that a reader had seen was lost.".to_owned(),
        lost => format!("{lost} characters that readers had seen were lost."),
    });
    sentences.push(match report.unavailable_ms {
        Some(0) | None => "The address answered all the time.".to_owned(),
        Some(gap) => format!("The address did not answer for {}.", seconds(gap)),
    });
    sentences.push(match report.replaced_after_ms {
        Some(after) => format!("After {} as many pods were ready as before.", seconds(after)),
        None => "No replacement became ready while the drill waited.".to_owned(),
    });
    sentences
}

fn seconds(milliseconds: u64) -> String {
    format!("{:.1} s", milliseconds as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{fake_api, fake_http};

    fn outcome(fate: Fate, lost_characters: u32) -> Outcome {
        Outcome { fate, lost_characters, reconnected: fate == Fate::Complete }
    }

    /// A Flotilla whose answers begin with this event and never end. It tells of questions and of deleted conversations.
    async fn flotilla(event: serde_json::Value) -> (String, mpsc::UnboundedReceiver<String>) {
        let (happened, happenings) = mpsc::unbounded_channel();
        let url = fake_http::serve(move |request| {
            if let Some(rest) = request.strip_prefix("DELETE /api/conversations/") {
                let id = rest.split(' ').next().unwrap_or_default();
                let _ = happened.send(format!("{id} deleted"));
            }
            if request.starts_with("POST /api/conversations/c1/messages ") {
                let _ = happened.send("c1 asked".to_owned());
            }
            if request.starts_with("GET /api/runs/") {
                return fake_http::response(200, "text/event-stream", &format!("id: 1\ndata: {event}\n\n"));
            }
            fake_http::response(200, "application/json", r#"{"id": "c1", "run_id": "r1"}"#)
        })
        .await;
        (url, happenings)
    }

    /// A cluster with one ready frontend, in which nothing may be deleted.
    async fn cluster() -> Cluster {
        let client = fake_api::serving(|request| {
            let mut pod: serde_json::Value =
                serde_json::from_str(include_str!("../tests/fixtures/pod-running.json")).unwrap();
            pod["metadata"]["name"] = "frontend-1".into();
            Some(match request.starts_with("GET ") {
                true => (200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [pod]})),
                false => (403, fake_api::status(403, "Forbidden")),
            })
        })
        .await;
        Cluster::with_client(client, "lab", "flotilla")
    }

    async fn until(happenings: &mut mpsc::UnboundedReceiver<String>, what: &str) {
        let waiting = async { while happenings.recv().await.expect("the server goes on") != what {} };
        timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("it was never {what}"));
    }

    #[tokio::test]
    async fn a_drill_that_may_not_kill_leaves_no_conversation_behind() {
        let (url, mut happenings) = flotilla(json!({"type": "delta", "text": "once"})).await;
        let (reports, _inbox) = mpsc::channel(16);
        let options = DrillOptions { url, app: DrillApp::Frontend, chats: 1 };
        assert_eq!(run(&cluster().await, options, reports).await.unwrap_err().kind, ErrorKind::Forbidden);
        until(&mut happenings, "c1 deleted").await;
    }

    #[tokio::test]
    async fn a_drill_that_is_stopped_leaves_no_conversation_behind() {
        let (url, mut happenings) = flotilla(json!({"type": "started"})).await;
        let (reports, inbox) = mpsc::channel(16);
        let options = DrillOptions { url, app: DrillApp::Frontend, chats: 1 };
        let cluster = cluster().await;
        let running = tokio::spawn(async move { run(&cluster, options, reports).await });
        until(&mut happenings, "c1 asked").await;
        drop(inbox);
        running.await.unwrap().unwrap();
        until(&mut happenings, "c1 deleted").await;
    }

    #[test]
    fn the_report_says_honestly_what_was_lost() {
        let outcomes = [outcome(Fate::Complete, 0), outcome(Fate::Interrupted, 12), outcome(Fate::Interrupted, 0)];
        let mut report = DrillReport {
            answers: 4,
            unavailable_ms: Some(350),
            replaced_after_ms: Some(4200),
            ..DrillReport::default()
        };
        count(&mut report, &outcomes);
        assert_eq!((report.complete, report.interrupted, report.lost_characters), (1, 2, 12));
        assert_eq!(
            sentences(&report, &outcomes, 0, false),
            [
                "1 of 4 answers reached their end.",
                "1 of 4 answers lost their connection and went on where they were.",
                "2 of 4 answers broke off with the pod that was writing them; the conversation keeps their text and \
                 offers a retry.",
                "1 of 4 answers had not ended when the drill did.",
                "12 characters that readers had seen were lost.",
                "The address did not answer for 0.3 s.",
                "After 4.2 s as many pods were ready as before.",
            ]
        );
    }
}
