//! What the engines' tests have in common: settings, prompts, and a server that plays prepared replies.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use clap::Parser;
use flotilla::{
    Config,
    chat::Parameters,
    engine::{ChatRequest, ChatStream, Completion, Delta, Engine, EngineError, PromptMessage, Role},
};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::net::TcpListener;

pub fn config(flags: &[&str]) -> Config {
    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        config: Config,
    }
    Settings::parse_from([&["flotilla"], flags].concat()).config
}

pub fn user(content: &str) -> PromptMessage {
    PromptMessage::new(Role::User, content)
}

/// The same short answer every time.
pub fn greeting(model: &str) -> ChatRequest {
    let parameters = Parameters { temperature: Some(0.0), max_tokens: Some(8), ..Parameters::default() };
    ChatRequest::new(model, vec![user("Say hello.")], parameters)
}

/// An answer to its end: the text, and how it ended.
pub async fn read(mut answer: ChatStream) -> (String, Result<Completion, EngineError>) {
    let mut text = String::new();
    while let Some(item) = answer.next().await {
        match item {
            Ok(Delta::Text(piece)) => text.push_str(&piece.text),
            Ok(Delta::Reasoning(_) | Delta::Logprobs(_) | Delta::ToolCall(_)) => {}
            Ok(Delta::Done(completion)) => return (text, Ok(completion)),
            Err(error) => return (text, Err(error)),
        }
    }
    panic!("an answer ends with Done or an error");
}

/// How `engine` answers a greeting, an error before the first byte included.
pub async fn greet(engine: &dyn Engine, model: &str) -> (String, Result<Completion, EngineError>) {
    match engine.chat(greeting(model)).await {
        Ok(answer) => read(answer).await,
        Err(error) => (String::new(), Err(error)),
    }
}

/// A server on loopback that gives one prepared reply to every request.
#[derive(Clone)]
pub struct Player {
    pub url: String,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    reply: Reply,
    last_request: Option<Recorded>,
}

#[derive(Clone)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Vec<u8>,
    /// Bytes of the body that are sent together.
    pub piece: usize,
    /// Close the connection where the body ends, in a way that says that more was to come.
    pub breaks_off: bool,
    /// Say that the body is packed with gzip.
    pub is_packed: bool,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: StatusCode::OK, body: body.into(), piece: usize::MAX, breaks_off: false, is_packed: false }
    }

    pub fn error(status: u16, body: &str) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap(), ..Self::ok(body) }
    }
}

#[derive(Clone, Debug)]
pub struct Recorded {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Player {
    pub async fn playing(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Mutex::new(Shared { reply, last_request: None }));
        let router = Router::new().fallback(play).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub fn play(&self, reply: Reply) {
        self.shared.lock().unwrap().reply = reply;
    }

    pub fn last_request(&self) -> Recorded {
        self.shared.lock().unwrap().last_request.clone().expect("nothing was asked")
    }
}

async fn play(State(shared): State<Arc<Mutex<Shared>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut shared = shared.lock().unwrap();
    shared.last_request = Some(Recorded {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let Reply { status, body, piece, breaks_off, is_packed } = shared.reply.clone();
    let mut pieces: Vec<Result<Bytes, &str>> =
        body.chunks(piece.min(body.len().max(1))).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    if breaks_off {
        pieces.push(Err("the server died"));
    }
    let encoding = if is_packed { "gzip" } else { "identity" };
    let headers = [(header::LOCATION, "/elsewhere"), (header::CONTENT_ENCODING, encoding)];
    (status, headers, Body::from_stream(stream::iter(pieces))).into_response()
}
