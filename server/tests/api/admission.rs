//! Who is answered now, who waits in line, and who is refused: one slot, and callers that a proxy tells apart.

use std::{sync::Arc, time::Instant};

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
};
use flotilla::engine::{Scripted, Step};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle};

use crate::support::{Response, TestServer, events, json_request, request};

const V1: &str = "/v1/chat/completions";
const OLLAMA: &str = "/api/chat";

/// A server with one slot. Each answer says "one " and, when it is told to go on, "two".
struct Busy {
    server: Arc<TestServer>,
    go_on: Arc<Notify>,
}

impl Busy {
    async fn with(flags: &[&str]) -> Self {
        let go_on = Arc::new(Notify::new());
        let text = |piece: &str| Step::Text(piece.to_owned());
        let engine = Scripted::new(vec![text("one "), Step::Wait(go_on.clone()), text("two")]);
        let flags = [&["--slots", "1", "--trusted-proxies", "127.0.0.0/8"], flags].concat();
        Self { server: Arc::new(TestServer::with_flags(engine, &flags).await), go_on }
    }

    /// An answer that has begun, and so has the slot.
    async fn occupied(&self) -> impl Stream<Item = String> + Unpin + use<> {
        let mut answer = self.server.stream(asking(1, V1, "occupy", true)).await;
        while !answer.next().await.unwrap().contains("one ") {}
        answer
    }

    /// Send in the background, and wait until it is in line as one of `depth`.
    async fn in_line(&self, request: Request<Body>, depth: u32) -> JoinHandle<Response> {
        let server = self.server.clone();
        let sent = tokio::spawn(async move { server.send(request).await });
        self.until(&format!("flotilla_queue_depth {depth}\n")).await;
        sent
    }

    /// Wait until `/metrics` holds this text.
    async fn until(&self, text: &str) {
        while !self.metrics().await.contains(text) {
            tokio::task::yield_now().await;
        }
    }

    async fn metrics(&self) -> String {
        self.server.get("/metrics").await.text()
    }

    /// What the engine is asked after `question`.
    async fn question_after(&self, question: &str) -> String {
        loop {
            let asked = self.server.engine.last_request().unwrap().prompt.messages()[0].content.clone();
            if asked != question {
                return asked;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn asking(caller: u8, path: &str, content: &str, stream: bool) -> Request<Body> {
    let messages = json!([{ "role": "user", "content": content }]);
    from(caller, path, json!({ "messages": messages, "stream": stream, "max_tokens": 200 }))
}

fn from(caller: u8, path: &str, body: Value) -> Request<Body> {
    let mut request = json_request(Method::POST, path, body);
    let address = HeaderValue::from_str(&format!("203.0.113.{caller}")).unwrap();
    request.headers_mut().insert("x-forwarded-for", address);
    request
}

/// Status, code and message of an error of `/v1`, which must say when to come back.
#[track_caller]
fn refusal(response: &Response) -> String {
    let seconds: u32 = response.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    let error = &response.json()["error"];
    let [kind, code] = ["type", "code"].map(|key| error[key].as_str().unwrap_or_default());
    format!("{} {kind} {code}", response.status.as_u16())
}

#[tokio::test]
async fn who_finds_no_free_slot_waits_and_is_answered_when_one_is_free() {
    let busy = Busy::with(&[]).await;
    let first = busy.occupied().await;
    let second = busy.in_line(asking(1, V1, "wait", false), 1).await;
    drop(first);
    busy.until("flotilla_slots_busy 1\n").await;
    busy.go_on.notify_one();
    let answer = second.await.unwrap();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "one two");
    busy.until("flotilla_slots_busy 0\n").await;
}

#[tokio::test]
async fn the_wait_in_line_is_measured() {
    let busy = Busy::with(&[]).await;
    let first = busy.occupied().await;
    let second = busy.in_line(asking(1, V1, "wait", false), 1).await;
    let in_line = Instant::now();
    busy.metrics().await;
    let waited = in_line.elapsed().as_secs_f64();
    drop(first);
    busy.go_on.notify_one();
    second.await.unwrap();

    let metrics = busy.metrics().await;
    let sum = metrics.lines().find_map(|line| line.strip_prefix("flotilla_queue_wait_seconds_sum "));
    assert!(sum.unwrap().parse::<f64>().unwrap() >= waited, "{waited}: {metrics}");
    assert!(metrics.contains("flotilla_queue_wait_seconds_count 2\n"), "{metrics}");
}

#[tokio::test]
async fn a_full_line_is_a_503_with_retry_after_in_the_words_of_each_dialect() {
    let busy = Busy::with(&["--max-queue", "0"]).await;
    let _occupied = busy.occupied().await;
    for stream in [false, true] {
        let response = busy.server.send(asking(2, V1, "hi", stream)).await;
        assert_eq!(refusal(&response), "503 overloaded_error queue_full");
        let response = busy.server.send(asking(2, OLLAMA, "hi", stream)).await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers.contains_key(header::RETRY_AFTER));
        let message = "the server is busy, and 0 requests are waiting already; try again in a moment";
        assert_eq!(response.json(), json!({ "error": message }));
    }
}

#[tokio::test]
async fn a_message_that_is_refused_is_not_kept() {
    let busy = Busy::with(&["--max-queue", "0"]).await;
    let _occupied = busy.occupied().await;
    let id = busy.server.conversation().await;
    let path = format!("/api/conversations/{id}/messages");
    let response = busy.server.send(from(2, &path, json!({ "content": "hi" }))).await;
    assert_eq!(
        (response.status, &response.json()["error"]["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("queue_full"))
    );
    assert!(response.headers.contains_key(header::RETRY_AFTER));
    let conversation = busy.server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(conversation["messages"], json!([]));
}

#[tokio::test]
async fn who_has_its_share_of_the_line_is_refused_with_429_and_others_still_find_a_place() {
    let busy = Busy::with(&["--max-queue", "2"]).await;
    let _occupied = busy.occupied().await;
    let _waiting = busy.in_line(asking(1, V1, "hi", false), 1).await;
    assert_eq!(
        refusal(&busy.server.send(asking(1, V1, "hi", false)).await),
        "429 rate_limit_error rate_limit_exceeded"
    );
    let response = busy.server.send(asking(1, OLLAMA, "hi", true)).await;
    assert_eq!(response.status, StatusCode::TOO_MANY_REQUESTS);
    let message =
        "2 of your requests are being answered or waiting, which is your share now; try again when one has ended";
    assert_eq!(response.json(), json!({ "error": message }));
    let _other = busy.in_line(asking(2, V1, "hi", false), 2).await;
    assert_eq!(refusal(&busy.server.send(asking(3, V1, "hi", false)).await), "503 overloaded_error queue_full");
}

#[tokio::test]
async fn a_caller_may_have_no_more_requests_at_once_than_the_setting_says() {
    let busy = Busy::with(&["--max-per-caller", "1"]).await;
    let occupied = busy.occupied().await;
    assert_eq!(
        refusal(&busy.server.send(asking(1, V1, "hi", false)).await),
        "429 rate_limit_error rate_limit_exceeded"
    );
    drop(occupied);
    assert!(busy.occupied().await.next().await.is_some());
}

#[tokio::test]
async fn who_waits_too_long_is_refused_with_503() {
    let busy = Busy::with(&["--queue-timeout", "1"]).await;
    let _occupied = busy.occupied().await;
    let response = busy.server.send(asking(2, V1, "hi", false)).await;
    assert_eq!(refusal(&response), "503 overloaded_error queue_timeout");
    busy.until("flotilla_queue_depth 0\n").await;
}

#[tokio::test]
async fn one_that_asks_for_much_does_not_hold_up_another() {
    let busy = Busy::with(&[]).await;
    let occupied = busy.occupied().await;
    for number in 1..=4 {
        busy.in_line(asking(1, V1, &format!("hog {number}"), false), number).await;
    }
    busy.in_line(asking(2, V1, "light", false), 5).await;
    drop(occupied);
    assert_eq!(busy.question_after("occupy").await, "hog 1");
    busy.go_on.notify_one();
    assert_eq!(busy.question_after("hog 1").await, "light");
    busy.go_on.notify_one();
    assert_eq!(busy.question_after("light").await, "hog 2");
}

#[tokio::test]
async fn a_stream_of_openais_says_in_comments_where_it_stands() {
    let busy = Busy::with(&[]).await;
    let occupied = busy.occupied().await;
    let first = busy.in_line(asking(1, V1, "first", false), 1).await;
    let mut second = busy.server.stream(asking(1, V1, "second", true)).await;
    assert_eq!(second.next().await.unwrap(), ": waiting in line, position 2\n\n");
    first.abort();
    assert_eq!(second.next().await.unwrap(), ": waiting in line, position 1\n\n");
    drop(occupied);
    assert!(second.next().await.unwrap().starts_with("data: "));
}

#[tokio::test]
async fn a_stream_of_ollamas_says_nothing_while_it_waits() {
    let busy = Busy::with(&[]).await;
    let occupied = busy.occupied().await;
    let mut request = asking(1, OLLAMA, "hi", true);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    let mut waiting = busy.server.stream(request).await;
    drop(occupied);
    assert!(waiting.next().await.unwrap().starts_with("data: "));
}

#[tokio::test]
async fn a_run_says_in_events_where_it_stands_and_then_that_it_has_started() {
    let busy = Busy::with(&[]).await;
    let occupied = busy.occupied().await;
    let id = busy.server.conversation().await;
    let turn = busy.server.send(from(1, &format!("/api/conversations/{id}/messages"), json!({ "content": "hi" })));
    let turn = turn.await.json();
    let run = turn["run_id"].as_str().unwrap();
    let path = format!("/api/runs/{run}/events");
    let mut stream = busy.server.stream(request(Method::GET, &path, Body::empty())).await;
    let queued = events(&stream.next().await.unwrap());
    assert_eq!(queued, [(1, json!({ "type": "queued", "position": 1 }))]);
    drop(occupied);
    busy.go_on.notify_one();
    let events = busy.server.run_events(run, 1).await;
    let kinds: Vec<_> = events.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "delta", "delta", "finished"]);
    let waited = events[3].1["message"]["details"]["queued_ms"].as_f64().unwrap();
    assert!(waited > 0.0);
}

#[tokio::test]
async fn a_run_that_is_stopped_while_it_waits_leaves_the_line() {
    let busy = Busy::with(&[]).await;
    let _occupied = busy.occupied().await;
    let id = busy.server.conversation().await;
    let turn = busy.server.post(&format!("/api/conversations/{id}/messages"), json!({ "content": "hi" })).await.json();
    busy.until("flotilla_queue_depth 1\n").await;
    busy.server.post(&format!("/api/runs/{}/stop", turn["run_id"].as_str().unwrap()), json!({})).await;
    busy.until("flotilla_queue_depth 0\n").await;
}

#[tokio::test]
async fn a_call_that_asks_for_several_answers_takes_one_slot() {
    let engine = Scripted::new(vec![Step::Text("Hello".to_owned())]);
    let server = TestServer::with_flags(engine, &["--slots", "1", "--max-queue", "0"]).await;
    let body = json!({ "messages": [{ "role": "user", "content": "hi" }], "n": 3 });
    let answer = server.post(V1, body).await.json();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 3, "{answer}");
    assert!(server.get("/metrics").await.text().contains("flotilla_slots_busy 0\n"));
}

#[tokio::test]
async fn made_up_names_of_models_share_the_slots_of_the_server_behind() {
    let behind = ["--openai-base-url", "http://127.0.0.1:9", "--upstream-slots", "1"];
    let busy = Busy::with(&[&behind[..], &["--max-queue", "0"]].concat()).await;
    let _occupied = busy.occupied().await;
    let mut body = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    body["model"] = json!("made-up");
    assert_eq!(refusal(&busy.server.send(from(2, V1, body)).await), "503 overloaded_error queue_full");
}

#[tokio::test]
async fn vectors_wait_for_a_slot_as_answers_do() {
    let busy = Busy::with(&["--max-queue", "0"]).await;
    let occupied = busy.occupied().await;
    let request = || from(2, "/v1/embeddings", json!({ "model": "scripted", "input": "hi" }));
    assert_eq!(refusal(&busy.server.send(request()).await), "503 overloaded_error queue_full");
    drop(occupied);
    assert_eq!(busy.server.send(request()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_series_of_the_line_is_there_from_the_start() {
    let busy = Busy::with(&[]).await;
    let metrics = busy.metrics().await;
    for series in [
        "flotilla_queue_depth 0\n",
        "flotilla_slots 1\n",
        "flotilla_slots_busy 0\n",
        "flotilla_queue_wait_seconds_count 0\n",
        "flotilla_requests_refused_total{cause=\"queue_full\"} 0\n",
        "flotilla_requests_refused_total{cause=\"caller_limit\"} 0\n",
        "flotilla_requests_refused_total{cause=\"queue_timeout\"} 0\n",
        "flotilla_requests_refused_total{cause=\"draining\"} 0\n",
    ] {
        assert!(metrics.contains(series), "{series} is not in {metrics}");
    }
}

#[tokio::test]
async fn refusals_are_counted_by_their_cause() {
    let busy = Busy::with(&["--max-queue", "0"]).await;
    let _occupied = busy.occupied().await;
    busy.server.send(asking(2, V1, "hi", false)).await;
    busy.until("flotilla_requests_refused_total{cause=\"queue_full\"} 1\n").await;
}
