//! Ollama's paths. An answer here belongs to its connection: when the client leaves, the engine stops.

pub mod pull;

use std::{convert::Infallible, time::Instant};

use async_stream::stream;
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{
        HeaderMap,
        header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures::{FutureExt, Stream, StreamExt, future};

use super::opening::{Opening, collect, headers_due, open};
use crate::{
    chat::admission::Call,
    dialect::{
        ollama::{ChatRequest, ChatResponse, ErrorBody, Framing, Reply},
        sse,
    },
    engine::{Delta, EngineError},
    error::Result,
    extract::Json,
    state::AppState,
};

/// Answer a conversation: in one JSON object, as lines of JSON with `"stream": true`, or as Server-Sent Events with
/// `Accept: text/event-stream`. A conversation that is too long loses its oldest messages, which `context` tells.
#[utoipa::path(
    post,
    path = "/api/chat",
    tag = "Ollama",
    request_body = ChatRequest,
    responses(
        (status = OK, content(
            (ChatResponse = "application/json"),
            (ChatResponse = "application/x-ndjson"),
            (ChatResponse = "text/event-stream"),
        )),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "the caller has its share of the line already", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down, or the line is full", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn chat(
    State(state): State<AppState>,
    call: Call,
    headers: HeaderMap,
    Json(mut request): Json<ChatRequest>,
) -> Result<Response> {
    let asked_at = Instant::now();
    let framing = framing(&headers, request.stream);
    let (model, trim) = (request.model.take(), request.trim());
    let (messages, parameters) = request.into_prompt()?;
    let opening = open(state, call, model, messages, parameters, trim);
    match framing {
        Some(Framing::Event) => Ok(sse::response(pieces(headers_due(opening).await?, asked_at, Framing::Event))),
        Some(Framing::Line) => {
            // Lines know no comments, so nothing is gained by headers before the first piece.
            let answer = opening.await?;
            Ok(lines(pieces(future::ready(Ok(answer)).boxed(), asked_at, Framing::Line)))
        }
        None => {
            let answer = opening.await?;
            let reply = Reply::new(answer.model.clone(), answer.context, asked_at);
            let (text, completion) = collect(answer).await?;
            Ok(Json(reply.end(&text, completion)).into_response())
        }
    }
}

/// How the answer is streamed, if it is. An explicit `"stream": false` counts more than what the client would accept.
fn framing(headers: &HeaderMap, stream: Option<bool>) -> Option<Framing> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match stream {
        Some(false) => None,
        _ if accept.contains("text/event-stream") => Some(Framing::Event),
        Some(true) => Some(Framing::Line),
        None => None,
    }
}

fn pieces(opening: Opening, asked_at: Instant, framing: Framing) -> impl Stream<Item = Bytes> + Send {
    stream! {
        let mut answer = match opening.await {
            Ok(answer) => answer,
            Err(error) => {
                yield framing.frame(&ErrorBody::from(&error));
                return;
            }
        };
        let reply = Reply::new(answer.model, answer.context, asked_at);
        loop {
            match answer.stream.next().await.unwrap_or(Err(EngineError::Interrupted)) {
                Ok(Delta::Text(piece)) => yield framing.frame(&reply.piece(&piece.text)),
                Ok(Delta::Done(completion)) => {
                    yield framing.frame(&reply.end("", completion));
                    return;
                }
                Err(error) => {
                    yield framing.frame(&ErrorBody::from(&error.into()));
                    return;
                }
            }
        }
    }
}

fn lines(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-cache, no-store")];
    (headers, Body::from_stream(pieces.map(Ok::<_, Infallible>))).into_response()
}
