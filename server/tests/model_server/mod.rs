//! A model server on loopback: OpenAI's API over a real socket, as well or as badly as a test wants.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// What every answer says, from where the request has broken off.
pub const WORDS: [&str; 5] = ["one ", "two ", "three ", "four ", "five"];

pub struct ModelServer {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    models: Vec<String>,
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Value>>,
    is_open: watch::Sender<bool>,
    abandoned: watch::Sender<u32>,
}

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    Well,
    /// With this status.
    Refusing(u16),
    /// Not before [`ModelServer::release`], but for the head of the response.
    Holding,
    /// The next answer breaks off after so many words, the others do not.
    Dying(usize),
    /// The next answer says so many words and then nothing more, as from a machine that is gone; the others do not.
    FallingSilent(usize),
}

impl ModelServer {
    pub async fn start(manner: Manner) -> Self {
        Self::with_models(&["model"], manner).await
    }

    pub async fn with_models(models: &[&str], manner: Manner) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), models, manner)
    }

    pub fn listening(listener: TcpListener, models: &[&str], manner: Manner) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            models: models.iter().map(|model| (*model).to_owned()).collect(),
            manner: Mutex::new(manner),
            asked: Mutex::default(),
            is_open: watch::Sender::new(false),
            abandoned: watch::Sender::new(0),
        });
        let router = Router::new()
            .route("/v1/models", get(list))
            .route("/v1/chat/completions", post(answer))
            .route("/v1/embeddings", post(embed))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// As the metrics call it.
    pub fn name(&self) -> String {
        format!("{}/v1", self.address)
    }

    pub fn answer(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Let held answers go on.
    pub fn release(&self) {
        self.shared.is_open.send_replace(true);
    }

    /// The bodies of all chats and vectors that were asked for.
    pub fn asked(&self) -> Vec<Value> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Wait until so many answers were not wanted any more before they ended.
    pub async fn abandoned(&self, count: u32) {
        self.shared.abandoned.subscribe().wait_for(|abandoned| *abandoned >= count).await.unwrap();
    }
}

/// As if so much time had passed.
pub async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let models: Vec<_> = shared.models.iter().map(|id| json!({ "id": id, "object": "model" })).collect();
    Json(json!({ "object": "list", "data": models }))
}

async fn embed(State(shared): State<Arc<Shared>>, Json(request): Json<Value>) -> Response {
    shared.asked.lock().unwrap().push(request);
    let manner = *shared.manner.lock().unwrap();
    if matches!(manner, Manner::Holding) {
        shared.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
    }
    match manner {
        Manner::Refusing(status) => refusal(status),
        _ => Json(json!({ "data": [{ "index": 0, "embedding": [1.0, 0.0] }] })).into_response(),
    }
}

fn refusal(status: u16) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(json!({ "error": { "message": "refused" } }))).into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, Json(request): Json<Value>) -> Response {
    shared.asked.lock().unwrap().push(request.clone());
    let manner = *shared.manner.lock().unwrap();
    let (mut lives_for, mut falls_silent) = (usize::MAX, false);
    match manner {
        Manner::Refusing(status) => return refusal(status),
        Manner::Dying(words) | Manner::FallingSilent(words) => {
            lives_for = words;
            falls_silent = matches!(manner, Manner::FallingSilent(_));
            *shared.manner.lock().unwrap() = Manner::Well;
        }
        Manner::Well | Manner::Holding => {}
    }
    let last = request["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    let said = if request["continue_final_message"] == true { last["content"].as_str().unwrap() } else { "" };
    let behind = (0..=WORDS.len()).find(|count| WORDS[..*count].concat() == said).expect("these are not our words");
    let mut watch = Abandoned { shared: Arc::clone(&shared), has_ended: false };
    let words = async_stream::stream! {
        if matches!(manner, Manner::Holding) {
            shared.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
        }
        for word in WORDS.into_iter().skip(behind).take(lives_for) {
            yield event(&json!({ "choices": [{ "index": 0, "delta": { "content": word } }] }));
        }
        if falls_silent {
            std::future::pending::<()>().await;
        }
        watch.ended();
        if lives_for < usize::MAX {
            // What was said before the death is on its way by then.
            tokio::task::yield_now().await;
        }
        if lives_for == usize::MAX {
            let usage = json!({
                "prompt_tokens": 9,
                "prompt_tokens_details": { "cached_tokens": 4 },
                "completion_tokens": WORDS.len() - behind,
            });
            yield event(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }], "usage": usage }));
            yield Bytes::from_static(b"data: [DONE]\n\n");
        }
    };
    let body = words.map(Ok).chain(breaking_off(lives_for));
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

fn breaking_off(lives_for: usize) -> impl Stream<Item = std::io::Result<Bytes>> {
    let death = (lives_for < usize::MAX).then(|| Err(std::io::Error::other("the server died")));
    stream::iter(death)
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

/// Notices when a body is dropped before its end.
struct Abandoned {
    shared: Arc<Shared>,
    has_ended: bool,
}

impl Abandoned {
    fn ended(&mut self) {
        self.has_ended = true;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if !self.has_ended {
            self.shared.abandoned.send_modify(|count| *count += 1);
        }
    }
}
