//! A server in front of several model servers.

use flotilla::engine::connect;
use serde_json::json;

use crate::{
    model_server::{Manner, ModelServer, WORDS},
    support::{TestServer, config},
};

async fn in_front_of(servers: &[ModelServer]) -> TestServer {
    let urls: Vec<_> = servers.iter().map(ModelServer::url).collect();
    let engine = connect(&config(&["--openai-base-url", &urls.join(",")])).unwrap();
    TestServer::answering(&[]).await.with_engine(engine)
}

#[tokio::test]
async fn an_answer_whose_server_dies_goes_on_at_another_one() {
    let servers = [ModelServer::start(Manner::Dying(2)).await, ModelServer::start(Manner::Dying(2)).await];
    let server = in_front_of(&servers).await;
    let question = json!({ "model": "model", "messages": [{ "role": "user", "content": "count" }] });

    let answer = server.post("/v1/chat/completions", question).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], WORDS.concat());
    let asked = servers.each_ref().map(ModelServer::asked);
    let second = asked.iter().find(|asked| asked[0]["continue_final_message"] == true).expect("the second is another");
    assert_eq!(second[0]["messages"][1], json!({ "role": "assistant", "content": "one two " }));
    assert_eq!(asked[0].len() + asked[1].len(), 3);
}

#[tokio::test]
async fn the_metrics_show_each_replica_from_the_start() {
    let servers = [ModelServer::start(Manner::Well).await, ModelServer::start(Manner::Well).await];
    let server = in_front_of(&servers).await;

    let before = server.get("/metrics").await.text();
    let question = json!({ "model": "model", "messages": [{ "role": "user", "content": "canary-prompt" }] });
    server.post("/v1/chat/completions", question).await;
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
