//! Which models are in memory, as Ollama's clients say it: requests that ask nothing, and `keep_alive`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::StatusCode;
use flotilla::engine::{
    ChatRequest, ChatStream, Engine, EngineError, KeepAlive, Model, PromptMessage, PromptSize, Scripted, Step,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::support::{Response, TestServer};

/// An engine whose model comes and goes, with a list of what it was asked.
struct Keeping {
    scripted: Scripted,
    log: watch::Sender<Vec<Asked>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Asked {
    Load(Option<KeepAlive>),
    Answer(Option<KeepAlive>),
    Unload,
}

impl Keeping {
    fn note(&self, asked: Asked) {
        self.log.send_modify(|log| log.push(asked));
    }
}

#[async_trait]
impl Engine for Keeping {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        self.scripted.models().await
    }

    async fn ready(&self, model: &str) -> Result<(), EngineError> {
        self.scripted.ready(model).await
    }

    async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        self.scripted.measure(model, messages).await
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        self.note(Asked::Answer(request.keep_alive));
        self.scripted.chat(request).await
    }

    async fn load(&self, model: &str, keep_alive: Option<KeepAlive>) -> Result<(), EngineError> {
        self.ready(model).await?;
        self.note(Asked::Load(keep_alive));
        Ok(())
    }

    async fn unload(&self, model: &str) -> Result<(), EngineError> {
        self.ready(model).await?;
        self.note(Asked::Unload);
        Ok(())
    }
}

type Log = watch::Receiver<Vec<Asked>>;

async fn keeping(flags: &[&str]) -> (TestServer, Log) {
    let (log, asked) = watch::channel(Vec::new());
    let scripted = Scripted::new(vec![Step::Text("Hello".to_owned())]);
    let engine = Keeping { scripted, log };
    (TestServer::with_flags(Scripted::new(vec![]), flags).await.with_engine(Arc::new(engine)), asked)
}

async fn chat(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Say hello" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post("/api/chat", body).await
}

async fn generate(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "prompt": "Say hello", "stream": false });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post("/api/generate", body).await
}

fn seconds(seconds: u64) -> KeepAlive {
    KeepAlive::For(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_request_that_asks_nothing_loads_its_model() {
    let (server, log) = keeping(&[]).await;

    let generated = generate(&server, json!({ "prompt": "" })).await.json();
    let chatted = chat(&server, json!({ "messages": [], "keep_alive": "5m" })).await.json();
    let streamed = chat(&server, json!({ "messages": [], "stream": true, "keep_alive": -1 })).await.text();

    assert_eq!((&generated["done_reason"], &generated["response"]), (&json!("load"), &json!("")));
    assert_eq!((&chatted["done_reason"], &chatted["done"]), (&json!("load"), &json!(true)));
    assert_eq!(chatted["message"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(serde_json::from_str::<Value>(&streamed).unwrap()["done_reason"], "load");
    let loads = [None, Some(seconds(300)), Some(KeepAlive::Forever)].map(Asked::Load);
    assert_eq!(*log.borrow(), loads);
    assert_eq!(chat(&server, json!({ "messages": [], "model": "qwen" })).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_keep_alive_of_0_unloads_the_model_in_its_place() {
    let (server, log) = keeping(&[]).await;
    for keep_alive in [json!(0), json!("0"), json!("0s")] {
        let unloaded = generate(&server, json!({ "prompt": "", "keep_alive": keep_alive })).await.json();
        assert_eq!((&unloaded["done_reason"], &unloaded["done"]), (&json!("unload"), &json!(true)));
    }
    let unloaded = chat(&server, json!({ "messages": [], "keep_alive": 0 })).await.json();
    assert_eq!(unloaded["done_reason"], "unload");
    assert_eq!(*log.borrow(), [Asked::Unload, Asked::Unload, Asked::Unload, Asked::Unload]);
    let unknown = generate(&server, json!({ "prompt": "", "keep_alive": 0, "model": "qwen" })).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn how_long_a_model_is_to_stay_reaches_the_engine_with_the_question() {
    for (keep_alive, expected) in [
        (json!(null), None),
        (json!(0), Some(KeepAlive::AT_ONCE)),
        (json!(300), Some(seconds(300))),
        (json!("1h30m"), Some(seconds(5400))),
        (json!(-1), Some(KeepAlive::Forever)),
        (json!("-1"), Some(KeepAlive::Forever)),
    ] {
        let server = TestServer::answering(&["Hello"]).await;
        chat(&server, json!({ "keep_alive": keep_alive })).await;
        assert_eq!(server.engine.last_request().unwrap().keep_alive, expected, "{keep_alive}");
        generate(&server, json!({ "keep_alive": keep_alive })).await;
        assert_eq!(server.engine.last_request().unwrap().keep_alive, expected, "{keep_alive}");
        for (path, text) in [("/api/embed", "input"), ("/api/embeddings", "prompt")] {
            server.post(path, json!({ text: "Hello", "keep_alive": keep_alive })).await;
            assert_eq!(server.engine.last_embedding().unwrap().keep_alive, expected, "{path} {keep_alive}");
        }
    }
}

#[tokio::test]
async fn a_keep_alive_that_is_no_duration_is_refused_by_name() {
    let (server, _) = keeping(&[]).await;
    for keep_alive in [json!("soon"), json!("5 minutes"), json!(true), json!([])] {
        for response in [
            chat(&server, json!({ "keep_alive": keep_alive })).await,
            generate(&server, json!({ "keep_alive": keep_alive, "prompt": "" })).await,
            server.post("/api/embed", json!({ "keep_alive": keep_alive, "input": "Hello" })).await,
            server.post("/api/embeddings", json!({ "keep_alive": keep_alive, "prompt": "Hello" })).await,
        ] {
            assert_eq!(response.status, StatusCode::BAD_REQUEST);
            assert!(response.json()["error"].as_str().unwrap().contains("keep_alive"), "{}", response.text());
        }
    }
}

#[tokio::test]
async fn where_everybody_may_call_nobody_says_how_long_a_model_stays() {
    let (server, log) = keeping(&["--listen-addr", "0.0.0.0:8000"]).await;

    let refused = generate(&server, json!({ "prompt": "", "keep_alive": 0 })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(generate(&server, json!({ "prompt": "", "keep_alive": -1 })).await.status, StatusCode::OK);
    assert_eq!(chat(&server, json!({ "keep_alive": 0 })).await.status, StatusCode::OK);

    assert_eq!(*log.borrow(), [Asked::Load(None), Asked::Answer(None)]);
}

#[tokio::test]
async fn a_server_that_leaves_loads_nothing() {
    let (server, log) = keeping(&["--drain-delay", "0"]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    flotilla::serve(listener, server.state.clone(), std::future::ready(())).await;

    assert_eq!(generate(&server, json!({ "prompt": "" })).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(chat(&server, json!({ "messages": [] })).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let own = server.post("/api/models/scripted/load", json!({})).await;
    assert_eq!((own.status, &own.json()["error"]["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("draining")));
    assert!(log.borrow().is_empty());
}

#[tokio::test]
async fn a_model_that_another_server_keeps_cannot_be_unloaded() {
    let server = TestServer::answering(&["Hello"]).await;
    assert_eq!(generate(&server, json!({ "prompt": "", "keep_alive": 0 })).await.status, StatusCode::CONFLICT);
    assert_eq!(generate(&server, json!({ "prompt": "" })).await.json()["done_reason"], "load");
}
