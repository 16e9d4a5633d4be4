//! Which models are in memory, as Ollama's clients say it: requests that ask nothing, and `keep_alive`.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::StatusCode;
use flotilla::engine::{
    ChatRequest, ChatStream, Engine, EngineError, Model, PromptMessage, PromptSize, Scripted, Step,
};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch};

use crate::support::{Response, TestServer};

/// An engine whose model comes and goes, with a list of what it was asked.
struct Keeping {
    scripted: Scripted,
    log: Arc<watch::Sender<Vec<&'static str>>>,
}

/// Tells that an answer is not held any more.
struct Ending(Arc<watch::Sender<Vec<&'static str>>>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.send_modify(|log| log.push("answered"));
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
        let answer = self.scripted.chat(request).await?;
        let ending = Ending(self.log.clone());
        Ok(answer.inspect(move |_| _ = &ending).boxed())
    }

    async fn load(&self, model: &str) -> Result<(), EngineError> {
        self.ready(model).await?;
        self.log.send_modify(|log| log.push("load"));
        Ok(())
    }

    async fn unload(&self, model: &str) -> Result<(), EngineError> {
        self.ready(model).await?;
        self.log.send_modify(|log| log.push("unload"));
        Ok(())
    }
}

type Log = watch::Receiver<Vec<&'static str>>;

async fn keeping(flags: &[&str]) -> (TestServer, Log) {
    let (sender, log) = watch::channel(Vec::new());
    let scripted = Scripted::new(vec![Step::Text("Hello".to_owned())]);
    let engine = Keeping { scripted, log: Arc::new(sender) };
    (TestServer::with_flags(Scripted::new(vec![]), flags).await.with_engine(Arc::new(engine)), log)
}

async fn assert_asked(log: &mut Log, expected: &[&str]) {
    assert_eq!(*log.wait_for(|log| log.len() >= expected.len()).await.unwrap(), expected);
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

#[tokio::test]
async fn a_request_that_asks_nothing_loads_its_model() {
    let (server, mut log) = keeping(&[]).await;

    let generated = generate(&server, json!({ "prompt": "" })).await.json();
    let chatted = chat(&server, json!({ "messages": [], "keep_alive": "5m" })).await.json();
    let streamed = chat(&server, json!({ "messages": [], "stream": true })).await.text();

    assert_eq!((&generated["done_reason"], &generated["response"]), (&json!("load"), &json!("")));
    assert_eq!((&chatted["done_reason"], &chatted["done"]), (&json!("load"), &json!(true)));
    assert_eq!(chatted["message"], json!({ "role": "assistant", "content": "" }));
    assert_eq!(serde_json::from_str::<Value>(&streamed).unwrap()["done_reason"], "load");
    assert_asked(&mut log, &["load", "load", "load"]).await;
    assert_eq!(chat(&server, json!({ "messages": [], "model": "qwen" })).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_keep_alive_of_0_unloads_the_model_in_its_place() {
    let (server, mut log) = keeping(&[]).await;
    for keep_alive in [json!(0), json!("0"), json!("0s")] {
        let unloaded = generate(&server, json!({ "prompt": "", "keep_alive": keep_alive })).await.json();
        assert_eq!((&unloaded["done_reason"], &unloaded["done"]), (&json!("unload"), &json!(true)));
    }
    let unloaded = chat(&server, json!({ "messages": [], "keep_alive": 0 })).await.json();
    assert_eq!(unloaded["done_reason"], "unload");
    assert_asked(&mut log, &["unload"; 4]).await;
    let unknown = generate(&server, json!({ "prompt": "", "keep_alive": 0, "model": "qwen" })).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_keep_alive_of_0_unloads_the_model_after_its_answer() {
    let (server, mut log) = keeping(&[]).await;

    let answer = chat(&server, json!({ "keep_alive": 0 })).await.json();
    assert_eq!(answer["message"]["content"], "Hello");
    assert_asked(&mut log, &["answered", "unload"]).await;

    generate(&server, json!({ "keep_alive": "0", "stream": true })).await;
    assert_asked(&mut log, &["answered", "unload", "answered", "unload"]).await;
}

#[tokio::test]
async fn any_other_keep_alive_changes_nothing() {
    let (server, mut log) = keeping(&[]).await;
    for keep_alive in [json!(null), json!(-1), json!(300), json!("-1"), json!("1h30m")] {
        assert_eq!(chat(&server, json!({ "keep_alive": keep_alive })).await.status, StatusCode::OK);
        tokio::task::yield_now().await;
    }
    assert_asked(&mut log, &["answered"; 5]).await;
}

#[tokio::test]
async fn a_keep_alive_that_is_no_duration_is_refused_by_name() {
    let (server, _) = keeping(&[]).await;
    for keep_alive in [json!("soon"), json!("5 minutes"), json!(true), json!([])] {
        for response in [
            chat(&server, json!({ "keep_alive": keep_alive })).await,
            generate(&server, json!({ "keep_alive": keep_alive, "prompt": "" })).await,
        ] {
            assert_eq!(response.status, StatusCode::BAD_REQUEST);
            assert!(response.json()["error"].as_str().unwrap().contains("keep_alive"), "{}", response.text());
        }
    }
}

#[tokio::test]
async fn where_everybody_may_call_nobody_unloads_a_model() {
    let (server, mut log) = keeping(&["--listen-addr", "0.0.0.0:8000"]).await;

    let refused = generate(&server, json!({ "prompt": "", "keep_alive": 0 })).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(chat(&server, json!({ "keep_alive": 0 })).await.status, StatusCode::OK);

    tokio::task::yield_now().await;
    assert_asked(&mut log, &["answered"]).await;
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
    assert_eq!(*log.borrow(), [""; 0]);
}

#[tokio::test]
async fn a_model_that_another_server_keeps_cannot_be_unloaded() {
    let server = TestServer::answering(&["Hello"]).await;
    assert_eq!(generate(&server, json!({ "prompt": "", "keep_alive": 0 })).await.status, StatusCode::CONFLICT);
    assert_eq!(generate(&server, json!({ "prompt": "" })).await.json()["done_reason"], "load");
}
