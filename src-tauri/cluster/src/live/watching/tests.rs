//! The faults of an API server, one scenario each, against a mock of it.

use std::convert::Infallible;

use futures::StreamExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::client::Body;
use serde_json::{Value, json};
use tower_test::mock::{self, Handle, SendResponse};

use super::*;
use crate::pods::Pod;

type Streamed = UnsyncBoxBody<Bytes, Infallible>;

/// The mock API server and what the watch reports.
struct Scenario {
    server: Handle<Request<Body>, Response<Streamed>>,
    inbox: mpsc::Receiver<Message>,
    wake: watch::Sender<()>,
}

/// A watch response that is still open: what is sent arrives, and dropping it is a lost connection.
struct OpenWatch(mpsc::UnboundedSender<Value>);

impl Scenario {
    /// A watch on pods has begun.
    fn begin() -> Self {
        let (service, server) = mock::pair::<Request<Body>, Response<Streamed>>();
        let client = Client::new(service, "flotilla");
        let (messages, inbox) = mpsc::channel(64);
        let (sender, wake) = watch::channel(());
        let api: Api<PodObject> = Api::namespaced(client.clone(), "flotilla");
        let watching = Watching { client, source: Source::Pods, messages, wake };
        tokio::spawn(watching.run(api, |pod| Pod::from(pod), Message::Pods));
        Self { server, inbox, wake: sender }
    }

    /// The next request's path with its query, and where its response goes.
    async fn request(&mut self) -> (String, SendResponse<Response<Streamed>>) {
        let (request, respond) = self.server.next_request().await.expect("the watch goes on asking");
        (request.uri().to_string(), respond)
    }

    /// Take the next request, which must be a watch with this in its query, and answer it with a stream.
    async fn answer_watch(&mut self, query: &str) -> OpenWatch {
        let (uri, respond) = self.request().await;
        assert!(uri.contains("watch=true") && uri.contains(query), "{uri}");
        let (sender, events) = mpsc::unbounded_channel::<Value>();
        let events = futures::stream::unfold(events, async |mut events| {
            let event = events.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{event}\n")))), events))
        });
        respond.send_response(Response::new(StreamBody::new(events.boxed()).boxed_unsync()));
        OpenWatch(sender)
    }

    /// Take the next request, which must contain this, and answer it with JSON.
    async fn answer(&mut self, part: &str, code: u16, body: Value) -> String {
        let (uri, respond) = self.request().await;
        assert!(uri.contains(part), "{uri}");
        let body = Full::from(body.to_string()).boxed_unsync();
        respond.send_response(Response::builder().status(code).body(body).unwrap());
        uri
    }

    /// What the watch reports next, in short.
    async fn reported(&mut self) -> String {
        match self.inbox.recv().await.expect("the watch goes on") {
            Message::Link(_, Link::Up) => "up".to_owned(),
            Message::Link(_, Link::Down(_)) => "down".to_owned(),
            Message::Link(_, Link::Refused(why)) => format!("refused: {why}"),
            Message::Link(_, Link::Waiting) => "waiting".to_owned(),
            Message::Pods(Change::ListBegins) => "list begins".to_owned(),
            Message::Pods(Change::Listed(pod)) => format!("listed {}", pod.name),
            Message::Pods(Change::ListEnds) => "list ends".to_owned(),
            Message::Pods(Change::Applied(pod)) => format!("applied {}", pod.name),
            Message::Pods(Change::Gone(pod)) => format!("gone {}", pod.name),
            _ => "something else".to_owned(),
        }
    }

    async fn expect(&mut self, reports: &[&str]) {
        for report in reports {
            assert_eq!(self.reported().await, *report);
        }
    }

    /// A server with streaming lists has sent pod `a`.
    async fn live() -> (Self, OpenWatch) {
        let mut scenario = Self::begin();
        let open = scenario.answer_watch("sendInitialEvents=true").await;
        open.send(added("a", "10"));
        open.send(bookmark("11", true));
        scenario.expect(&["list begins", "listed a", "list ends", "up"]).await;
        (scenario, open)
    }
}

impl OpenWatch {
    fn send(&self, event: Value) {
        self.0.send(event).expect("the watch is read");
    }
}

fn pod(name: &str, version: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": name, "uid": name, "resourceVersion": version}})
}

fn added(name: &str, version: &str) -> Value {
    json!({"type": "ADDED", "object": pod(name, version)})
}

fn bookmark(version: &str, ends_list: bool) -> Value {
    let annotations = if ends_list { json!({"k8s.io/initial-events-end": "true"}) } else { json!({}) };
    let metadata = json!({"resourceVersion": version, "annotations": annotations});
    json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}})
}

fn status(code: u16, reason: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
           "message": reason})
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_goes_on_from_the_last_bookmark_without_a_second_list() {
    let (mut scenario, open) = Scenario::live().await;
    open.send(bookmark("50", false));
    drop(open);
    let open = scenario.answer_watch("resourceVersion=50").await;
    open.send(added("b", "51"));
    scenario.expect(&["applied b", "up"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_is_followed_by_a_new_list() {
    let (mut scenario, open) = Scenario::live().await;
    open.send(json!({"type": "ERROR", "object": status(410, "Expired")}));
    let open = scenario.answer_watch("sendInitialEvents=true").await;
    open.send(added("b", "90"));
    open.send(bookmark("90", true));
    scenario.expect(&["list begins", "listed b", "list ends", "up"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_that_the_server_refuses_outright_is_followed_by_a_new_list() {
    let (mut scenario, open) = Scenario::live().await;
    drop(open);
    scenario.answer("resourceVersion=11", 410, status(410, "Expired")).await;
    let open = scenario.answer_watch("sendInitialEvents=true").await;
    open.send(bookmark("90", true));
    scenario.expect(&["list begins", "list ends", "up"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_without_streaming_lists_is_asked_for_a_list_in_pages() {
    let mut scenario = Scenario::begin();
    scenario.answer("sendInitialEvents=true", 422, status(422, "Invalid")).await;
    let page = json!({"apiVersion": "v1", "kind": "PodList",
                      "metadata": {"resourceVersion": "7", "continue": "next"}, "items": [pod("a", "5")]});
    let uri = scenario.answer("limit=100", 200, page).await;
    assert!(!uri.contains("watch"), "{uri}");
    let last = json!({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "7"},
                      "items": [pod("b", "6")]});
    scenario.answer("continue=next", 200, last).await;
    scenario.expect(&["list begins", "listed a", "listed b", "list ends", "up"]).await;
    scenario.answer_watch("resourceVersion=7").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_asked_again_and_silence_afterwards_is_good_news() {
    let (mut scenario, open) = Scenario::live().await;
    drop(open);
    scenario.answer("resourceVersion=11", 500, status(500, "InternalError")).await;
    scenario.expect(&["down"]).await;
    scenario.answer("/version", 503, status(503, "ServiceUnavailable")).await;
    scenario.expect(&["down"]).await;
    scenario
        .answer(
            "/version",
            200,
            json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "",
        "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}),
        )
        .await;
    let _open = scenario.answer_watch("resourceVersion=11").await;
    scenario.expect(&["up"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_is_named_and_tried_again_later() {
    let mut scenario = Scenario::begin();
    scenario.answer("sendInitialEvents=true", 403, status(403, "Forbidden")).await;
    assert!(scenario.reported().await.starts_with("refused: The cluster does not allow this"));
    // Somebody has given the right meanwhile.
    let open = scenario.answer_watch("sendInitialEvents=true").await;
    open.send(bookmark("1", true));
    scenario.expect(&["list begins", "list ends", "up"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_without_a_word_is_noticed() {
    let (mut scenario, _open) = Scenario::live().await;
    // Nothing is sent and nothing is closed; the clock runs as nothing else can happen.
    let open = scenario.answer_watch("resourceVersion=11").await;
    open.send(added("b", "12"));
    scenario.expect(&["applied b", "up"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_told_of_dead_connections_lists_anew() {
    let (mut scenario, _dead) = Scenario::live().await;
    scenario.wake.send_replace(());
    let open = scenario.answer_watch("sendInitialEvents=true").await;
    open.send(added("b", "90"));
    open.send(bookmark("90", true));
    scenario.expect(&["list begins", "listed b", "list ends", "up"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_watch_ends_when_nobody_listens() {
    let (service, mut server) = mock::pair::<Request<Body>, Response<Streamed>>();
    let client = Client::new(service, "flotilla");
    let (messages, inbox) = mpsc::channel(1);
    let (_sender, wake) = watch::channel(());
    let api: Api<PodObject> = Api::namespaced(client.clone(), "flotilla");
    let watching = Watching { client, source: Source::Pods, messages, wake };
    let task = tokio::spawn(watching.run(api, |pod| Pod::from(pod), Message::Pods));
    drop(inbox);
    let (_, respond) = server.next_request().await.unwrap();
    let body = format!("{}\n", added("a", "1"));
    respond.send_response(Response::new(Full::from(body).boxed_unsync()));
    task.await.unwrap();
}
