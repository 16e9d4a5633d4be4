//! A server in front of several model servers.

use std::{sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use flotilla::engine::{Engine, Pool, Scripted, connect};
use serde_json::{Value, json};

use crate::{
    model_server::{Manner, ModelServer, WORDS, pass},
    mortal::Mortal,
    support::{TestServer, config, json_request},
};

const V1: &str = "/v1/chat/completions";

pub async fn in_front_of(servers: &[ModelServer]) -> TestServer {
    in_front_of_with(servers, &[]).await
}

async fn in_front_of_with(servers: &[ModelServer], flags: &[&str]) -> TestServer {
    let urls = servers.iter().map(ModelServer::url).collect::<Vec<_>>().join(",");
    let flags = [&["--openai-base-url", &urls], flags].concat();
    TestServer::with_flags(Scripted::new(vec![]), &flags).await.with_engine(connect(&config(&flags)).unwrap())
}

/// A question that no other begins like.
fn question(number: u32) -> Value {
    json!({ "model": "model", "messages": [{ "role": "user", "content": number.to_string() }], "stream": true })
}

/// Answers that can be written at once, as the metrics tell it.
async fn slots(server: &TestServer) -> u32 {
    let metrics = server.get("/metrics").await.text();
    metrics.lines().find_map(|line| line.strip_prefix("flotilla_slots ")).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_answer_whose_server_dies_goes_on_at_another_one() {
    let servers = [ModelServer::start(Manner::Dying(2)).await, ModelServer::start(Manner::Dying(2)).await];
    let server = in_front_of(&servers).await;
    let question = json!({ "model": "model", "messages": [{ "role": "user", "content": "count" }] });

    let answer = server.post(V1, question).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], WORDS.concat());
    let asked = servers.each_ref().map(ModelServer::asked);
    let second = asked.iter().find(|asked| asked[0]["continue_final_message"] == true).expect("the second is another");
    assert_eq!(second[0]["messages"][1], json!({ "role": "assistant", "content": "one two " }));
    assert_eq!(asked[0].len() + asked[1].len(), 3);
    let metrics = server.get("/metrics").await.text();
    assert!(metrics.contains(r#"flotilla_replica_retries_total{outcome="sent"} 0"#), "{metrics}");
}

#[tokio::test]
async fn an_answer_whose_server_falls_silent_goes_on_at_another_one() {
    let servers =
        [ModelServer::start(Manner::FallingSilent(2)).await, ModelServer::start(Manner::FallingSilent(3)).await];
    let server = in_front_of_with(&servers, &["--token-timeout", "1"]).await;
    let question = json!({ "model": "model", "messages": [{ "role": "user", "content": "count" }] });

    let answer = server.post(V1, question).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], WORDS.concat());
    let metrics = server.get("/metrics").await.text();
    for silent in &servers {
        silent.abandoned(1).await;
        let failures = format!(r#"flotilla_replica_failures_total{{replica="{}"}} 1"#, silent.name());
        assert!(metrics.contains(&failures), "{metrics}");
    }
}

#[tokio::test]
async fn when_all_die_before_a_word_a_tenth_of_the_requests_is_made_again() {
    let engines = [Mortal::new(&["one"], &[0; 500]), Mortal::new(&["one"], &[0; 500])];
    let [first, second] = engines.clone().map(|engine| engine as Arc<dyn Engine>);
    let pool = Pool::new([("first".to_owned(), first), ("second".to_owned(), second)], &config(&[]));
    let server = TestServer::new(Scripted::new(vec![])).await.with_engine(Arc::new(pool));
    let question = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "count" }] });

    for _ in 0..200 {
        assert_eq!(server.post(V1, question.clone()).await.status, StatusCode::BAD_GATEWAY);
    }

    let sent: usize = engines.iter().map(|engine| engine.asked().len()).sum();
    // Ten were saved, and a slow machine may take the time to earn some more.
    assert!((220..=240).contains(&sent), "{sent}");
}

#[tokio::test]
async fn the_metrics_show_each_replica_from_the_start() {
    let servers = [ModelServer::start(Manner::Well).await, ModelServer::start(Manner::Well).await];
    let server = in_front_of(&servers).await;

    let before = server.get("/metrics").await.text();
    let question = json!({ "model": "model", "messages": [{ "role": "user", "content": "canary-prompt" }] });
    server.post(V1, question).await;
    let after = server.get("/metrics").await.text();

    for name in servers.iter().map(ModelServer::name) {
        for line in [
            format!(r#"flotilla_replica_outstanding_requests{{replica="{name}"}} 0"#),
            format!(r#"flotilla_replica_outstanding_tokens{{replica="{name}"}} 0"#),
            format!(r#"flotilla_replica_breaker{{replica="{name}",state="closed"}} 1"#),
            format!(r#"flotilla_replica_breaker{{replica="{name}",state="open"}} 0"#),
            format!(r#"flotilla_replica_requests_total{{replica="{name}",chosen_by="prefix"}} 0"#),
            format!(r#"flotilla_replica_failures_total{{replica="{name}"}} 0"#),
        ] {
            assert!(before.contains(&line), "{line} is not in\n{before}");
        }
    }
    assert!(before.contains(r#"flotilla_replica_retries_total{outcome="sent"} 0"#), "{before}");
    assert_eq!(before.matches("# EOF").count(), 1);
    let by_load = after.lines().filter(|line| line.contains(r#"chosen_by="load""#));
    assert_eq!(by_load.filter(|line| line.ends_with(" 1")).count(), 1, "{after}");
    assert!(!after.contains("canary-prompt"));
}

#[tokio::test]
async fn every_replica_has_slots_of_its_own() {
    let servers = [ModelServer::start(Manner::Holding).await, ModelServer::start(Manner::Holding).await];
    let server = in_front_of_with(&servers, &["--upstream-slots", "2", "--max-queue", "0"]).await;
    assert_eq!(slots(&server).await, 4);

    let mut held = Vec::new();
    for number in 0..4 {
        held.push(server.stream(json_request(Method::POST, V1, question(number))).await);
    }

    assert_eq!(server.post(V1, question(4)).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(server.get("/metrics").await.text().contains("flotilla_slots_busy 4\n"));
}

#[tokio::test]
async fn a_replica_has_no_slots_while_its_breaker_is_open() {
    let servers = [ModelServer::start(Manner::Well).await, ModelServer::start(Manner::Refusing(500)).await];
    let server = in_front_of_with(&servers, &["--upstream-slots", "3", "--max-queue", "0"]).await;
    let mut number = 0;
    let mut ask_until = async |expected| {
        while slots(&server).await != expected {
            number += 1;
            assert_eq!(server.post(V1, question(number)).await.status, StatusCode::OK);
            pass(Duration::from_secs(1)).await;
        }
    };

    ask_until(3).await;
    servers[1].answer(Manner::Well);
    pass(Duration::from_secs(11)).await;
    ask_until(6).await;
}
