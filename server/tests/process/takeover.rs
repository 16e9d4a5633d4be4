//! A server that is gone, and the one that goes on with its answers: another replica where PostgreSQL is shared
//! (TEST_POSTGRES_URL), the restarted server on SQLite. `make test` runs these on both.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_stream::stream;
use axum::{
    Json, Router,
    body::Body,
    routing::{get, post},
};
use flotilla::config::Secret;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};

use crate::{
    database::database_url,
    support::{Event, Follower, Server, long_script, text_of},
};

/// Servers on one database, as many at once as it allows.
struct Fleet {
    folder: tempfile::TempDir,
    database: Secret,
}

impl Fleet {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = database_url(&folder).await;
        Self { folder, database }
    }

    fn is_shared(&self) -> bool {
        self.database.expose().starts_with("postgres")
    }

    fn start(&self, name: &str, delay_ms: u32) -> Server {
        self.start_reciting(&long_script(), name, delay_ms)
    }

    fn start_reciting(&self, script: &str, name: &str, delay_ms: u32) -> Server {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        Server::start_on(&self.database, &folder.join("data"), script, delay_ms)
    }
}

/// Follow a run, of which `before` was read elsewhere, to its end on the next server: nothing is missing or doubled.
async fn taken_over(run: &Value, before: Vec<Event>, next: &Server) {
    let after = next.follow(run, before.last().unwrap().0).await.rest().await;

    assert_whole(&[before, after].concat(), &long_script());
}

/// The events are numbered without a gap but for the one in front of what another server tells, say the script, and end with the
/// message that holds it.
fn assert_whole(events: &[Event], script: &str) {
    assert_eq!(events[0].0, 1);
    for pair in events.windows(2) {
        let ((before, _), (number, event)) = (&pair[0], &pair[1]);
        assert!(
            *number == before + 1 || (number > before && event["type"] == "resumed"),
            "{before}, {number}: {event}"
        );
    }
    assert_eq!(text_of(events), script);
    let message = &events.last().unwrap().1["message"];
    assert_eq!((message["status"].as_str(), message["content"].as_str()), (Some("complete"), Some(script)));
}

#[tokio::test]
async fn the_answer_of_a_killed_server_is_taken_over_and_its_follower_misses_nothing() {
    let fleet = Fleet::new().await;
    let first = fleet.start("first", 5);
    let replica = fleet.is_shared().then(|| fleet.start("replica", 0));
    let (_, turn) = first.send("count").await;
    let before = first.follow(&turn["run_id"], 0).await.until("word200 ").await;

    first.kill().await;

    let next = replica.unwrap_or_else(|| fleet.start("next", 0));
    taken_over(&turn["run_id"], before, &next).await;
}

#[tokio::test]
async fn an_answer_that_outlasts_the_drain_is_taken_over_and_its_follower_misses_nothing() {
    let fleet = Fleet::new().await;
    let first = fleet.start("first", 5);
    let replica = fleet.is_shared().then(|| fleet.start("replica", 0));
    let (_, turn) = first.send("count").await;
    let mut follower = first.follow(&turn["run_id"], 0).await;
    let mut before = follower.until("word10 ").await;

    first.terminate();
    before.extend(follower.rest().await);

    assert!(first.ended().await.success());
    let next = replica.unwrap_or_else(|| fleet.start("next", 0));
    taken_over(&turn["run_id"], before, &next).await;
}

#[tokio::test]
async fn a_server_that_stood_still_finds_its_answer_written_by_another_and_leaves_it_so() {
    let fleet = Fleet::new().await;
    let first = fleet.start("first", 5);
    let (id, turn) = first.send("count").await;
    let before = first.follow(&turn["run_id"], 0).await.until("word200 ").await;
    first.signal("STOP");

    // The one on SQLite is alone, and goes on by itself.
    let replica = fleet.is_shared().then(|| fleet.start("replica", 0));
    if let Some(replica) = &replica {
        taken_over(&turn["run_id"], before.clone(), replica).await;
    }
    first.signal("CONT");

    taken_over(&turn["run_id"], before, &first).await;
    let shown = first.get(&format!("/api/conversations/{id}")).await;
    assert_eq!(shown["messages"][1]["content"], long_script());
}

/// An OpenAI-compatible server that never says the same again: over all answers, each word has the next number. An answer has
/// so many of them.
async fn counting_upstream(words: usize) -> String {
    let said = Arc::new(AtomicUsize::new(0));
    let chat = move |Json(request): Json<Value>| {
        let said = Arc::clone(&said);
        let last = request["messages"].as_array().unwrap().last().unwrap();
        let before = if last["role"] == "assistant" { last["content"].as_str().unwrap() } else { "" };
        let rest = words - before.split_whitespace().count();
        let answer = stream! {
            for _ in 0..rest {
                sleep(Duration::from_millis(5)).await;
                let word = format!("word{} ", said.fetch_add(1, Ordering::Relaxed));
                let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": word } }] });
                yield Ok::<_, Infallible>(format!("data: {chunk}\n\n"));
            }
            yield Ok("data: [DONE]\n\n".to_owned());
        };
        async move { Body::from_stream(answer) }
    };
    let models = async || Json(json!({ "data": [{ "id": "model" }] }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/chat/completions", post(chat)).route("/v1/models", get(models));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn behind_an_engine_that_never_says_the_same_again_a_follower_ends_with_the_text_that_is_kept() {
    let fleet = Fleet::new().await;
    let upstream = counting_upstream(300).await;
    let settings = [("DATABASE_URL", fleet.database.expose()), ("OPENAI_BASE_URL", upstream.as_str())];
    let first = Server::serving(&settings, &fleet.folder.path().join("first"));
    let (_, turn) = first.send("count").await;
    let mut events = first.follow(&turn["run_id"], 0).await.until("word100 ").await;
    first.kill().await;

    let next = Server::serving(&settings, &fleet.folder.path().join("next"));
    let last = events.last().unwrap().0;
    events.extend(next.follow(&turn["run_id"], last).await.rest().await);

    let message = &events.last().unwrap().1["message"];
    assert_eq!(message["status"], "complete");
    assert_eq!(message["content"], text_of(&events));
    assert_eq!(text_of(&events).split_whitespace().count(), 300);
}

const ANSWERS: usize = 6;
const WORDS: usize = 300;
const KILLS: usize = 4;

/// Where there is a server now.
type Addresses = Mutex<Vec<String>>;

/// Follow a run to its end, on whichever server is there, and count the events that come.
async fn follow_through(addresses: &Addresses, run: &Value, seen: &AtomicUsize) -> Vec<Event> {
    let client = reqwest::Client::new();
    let mut events: Vec<Event> = Vec::new();
    for turn in 0.. {
        let address = addresses.lock().unwrap().iter().cycle().nth(turn % 7).cloned();
        let after = events.last().map_or(0, |(number, _)| *number);
        if let Some(address) = address
            && let Some(mut follower) = Follower::try_open(&client, &address, run, after).await
        {
            while let Some(next) = follower.next().await {
                seen.fetch_add(1, Ordering::Relaxed);
                events.push(next);
            }
        }
        if events.last().is_some_and(|(_, event)| event["message"].is_object()) {
            break;
        }
        tokio::task::yield_now().await;
    }
    events
}

#[tokio::test]
async fn answers_come_whole_however_often_servers_are_killed_under_them() {
    let fleet = Fleet::new().await;
    let script: String = (0..WORDS).map(|number| format!("word{number} ")).collect();
    let mut servers: Vec<Server> = Vec::new();
    for number in 0..if fleet.is_shared() { 3 } else { 1 } {
        servers.push(fleet.start_reciting(&script, &format!("first-{number}"), 5));
    }
    let mut runs = Vec::new();
    for number in 0..ANSWERS {
        let (_, turn) = servers[number % servers.len()].send("count").await;
        runs.push(turn["run_id"].clone());
    }
    let addresses = Addresses::new(servers.iter().map(|server| server.url.clone()).collect());
    let seen = AtomicUsize::new(0);

    let killing = async {
        for kill in 1..=KILLS {
            while seen.load(Ordering::Relaxed) < kill * ANSWERS * WORDS / (KILLS + 1) {
                tokio::task::yield_now().await;
            }
            let dying = servers.remove(0);
            addresses.lock().unwrap().retain(|address| *address != dying.url);
            dying.kill().await;
            let next = fleet.start_reciting(&script, &format!("next-{kill}"), 5);
            addresses.lock().unwrap().push(next.url.clone());
            servers.push(next);
        }
    };
    let following = join_all(runs.iter().map(|run| follow_through(&addresses, run, &seen)));
    let (answers, ()) = tokio::join!(following, killing);

    for events in answers {
        assert_whole(&events, &script);
    }
}
