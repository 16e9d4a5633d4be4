//! A server without a socket, and requests to it.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use clap::Parser;
use flotilla::{
    AppState, Config, app,
    config::Secret,
    engine::{Engine, Scripted, Step},
    store::Store,
};
use futures::{Stream, StreamExt};
use http_body_util::BodyExt;
use sea_orm::{ConnectionTrait, Database};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::database::database_url;

/// A server with its own database. Dropping it forgets everything.
pub struct TestServer {
    pub state: AppState,
    pub engine: Arc<Scripted>,
    router: Router,
    folder: Arc<TempDir>,
    database_url: Secret,
    flags: Vec<String>,
}

impl TestServer {
    /// A server whose engine follows the script.
    pub async fn new(engine: Scripted) -> Self {
        Self::with_flags(engine, &[]).await
    }

    /// A server whose engine answers every chat with these pieces.
    pub async fn answering(pieces: &[&str]) -> Self {
        Self::new(Scripted::new(pieces.iter().map(|piece| Step::Text((*piece).to_owned())).collect())).await
    }

    pub async fn with_flags(engine: Scripted, flags: &[&str]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let database_url = database_url(&folder).await;
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Self::open(engine, flags, folder, database_url).await
    }

    /// A server in front of an Ollama that is not there.
    pub async fn unreachable() -> Self {
        // Port 9 is discard, which nobody listens on.
        let config = config(&["--ollama-url", "http://127.0.0.1:9"]);
        let engine = flotilla::engine::connect(&config).unwrap();
        Self::new(Scripted::new(vec![])).await.with_engine(engine)
    }

    /// The same server in front of another engine.
    pub fn with_engine(self, engine: Arc<dyn Engine>) -> Self {
        let config = (*self.state.config).clone();
        let state = AppState::new(config, engine, self.state.store.clone()).unwrap();
        Self { router: app(state.clone()), state, ..self }
    }

    /// The server after a restart: the same database and settings, another engine. Waits for running answers to end.
    pub async fn restarted(self, engine: Scripted) -> Self {
        let Self { folder, database_url, flags, state, router, .. } = self;
        state.runs.finished().await;
        state.jobs.interrupt_all().await;
        drop((state, router));
        Self::open(engine, flags, folder, database_url).await
    }

    /// A second server on the same database, or why there can be none.
    pub async fn replica(&self, engine: Scripted) -> anyhow::Result<Self> {
        let store = Store::open(&self.database_url).await?;
        Ok(Self::around(store, engine, self.flags.clone(), self.folder.clone(), self.database_url.clone()))
    }

    /// Change the database behind the server's back.
    pub async fn sql(&self, statement: &str) {
        let database = Database::connect(self.database_url.expose()).await.unwrap();
        database.execute_unprepared(statement).await.unwrap();
    }

    async fn open(engine: Scripted, flags: Vec<String>, folder: Arc<TempDir>, database_url: Secret) -> Self {
        let store = Store::open(&database_url).await.unwrap();
        Self::around(store, engine, flags, folder, database_url)
    }

    fn around(store: Store, engine: Scripted, flags: Vec<String>, folder: Arc<TempDir>, database_url: Secret) -> Self {
        let engine = Arc::new(engine);
        let state = AppState::new(
            config(&flags.iter().map(String::as_str).collect::<Vec<_>>()),
            engine.clone() as Arc<dyn Engine>,
            store,
        )
        .unwrap();
        Self { router: app(state.clone()), state, engine, folder, database_url, flags }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(request(Method::DELETE, path, Body::empty())).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.send(json_request(Method::POST, path, body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        self.send(json_request(Method::PATCH, path, body)).await
    }

    /// Send any request and read the whole answer.
    pub async fn send(&self, request: Request<Body>) -> Response {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Response { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// The pieces of an answer's body as they come.
    pub async fn stream(&self, request: Request<Body>) -> impl Stream<Item = String> + Unpin + use<> {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let pieces = response.into_body().into_data_stream();
        Box::pin(pieces.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap()))
    }

    /// Make a conversation and return its id.
    pub async fn conversation(&self) -> String {
        let conversation = self.post("/api/conversations", serde_json::json!({})).await.json();
        conversation["id"].as_str().unwrap().to_owned()
    }

    /// Send a message, wait for its answer to end, and return the turn with the finished answer.
    pub async fn turn(&self, conversation: &str, parent: Option<&str>, content: &str) -> Value {
        let body = serde_json::json!({ "content": content, "parent_id": parent });
        let response = self.post(&format!("/api/conversations/{conversation}/messages"), body).await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text());
        let mut turn = response.json();
        let events = self.run_events(turn["run_id"].as_str().unwrap(), 0).await;
        turn["assistant_message"] = events.last().unwrap().1["message"].clone();
        turn
    }

    /// All events of a run after `after`, each with its number.
    pub async fn run_events(&self, run_id: &str, after: u64) -> Vec<(u64, Value)> {
        let path = format!("/api/runs/{run_id}/events?after={after}");
        let response = timeout(Duration::from_secs(30), self.get(&path)).await.expect("the run ends");
        assert_eq!(response.status, StatusCode::OK, "{}", response.text());
        events(&response.text())
    }
}

/// An answer, read whole.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(path).header(header::HOST, "localhost").body(body).unwrap()
}

pub fn json_request(method: Method, path: &str, body: Value) -> Request<Body> {
    let mut request = request(method, path, Body::from(body.to_string()));
    request.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    request
}

/// The events of an event stream: number and JSON data. Comments are left out.
pub fn events(text: &str) -> Vec<(u64, Value)> {
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ")?).unwrap();
        Some((field("id: ").map_or(0, |id| id.parse().unwrap()), data))
    };
    text.split("\n\n").filter_map(event).collect()
}

/// Settings as the command line would give them, without looking at the environment's database or engine.
pub fn config(flags: &[&str]) -> Config {
    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        config: Config,
    }
    Flags::parse_from(std::iter::once("flotilla").chain(flags.iter().copied())).config
}
