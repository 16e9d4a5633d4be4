use std::time::Instant;

use axum::{
    extract::State,
    http::{HeaderMap, header::ACCEPT},
    response::Response,
};

use super::{memory, respond, respond_without_question};
use crate::{
    chat::{Question, admission::Call},
    dialect::ollama::{ChatRequest, ChatResponse, ErrorBody, Framing, Kind},
    error::Result,
    extract::Json,
    routes::opening::{located, open},
    state::AppState,
};

/// Answer a conversation: in one JSON object, as lines of JSON with `"stream": true`, or as Server-Sent Events with
/// `Accept: text/event-stream`. A conversation that is too long loses its oldest messages, which `context` tells. Without
/// messages the model is loaded, or unloaded with a `keep_alive` of 0.
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
        (status = CONFLICT, description = "it is answering, or kept elsewhere, and cannot be unloaded", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn chat(
    State(state): State<AppState>,
    call: Call,
    headers: HeaderMap,
    Json(request): Json<ChatRequest>,
) -> Result<Response> {
    let asked_at = Instant::now();
    let (framing, trim) = (framing(&headers, request.stream), request.trim());
    let (model, keep_alive) = (request.model.clone(), request.keep_alive()?);
    let Some(question) = request.into_question()? else {
        return respond_without_question(&state, model, keep_alive, framing, Kind::Chat(None)).await;
    };
    let keep_alive = memory::allowed(&state, keep_alive);
    let opening = open(state, call, Question { keep_alive, ..question }, trim);
    let opening = located(opening, "messages", "format");
    respond(opening, framing, asked_at, |answer| Kind::Chat(answer.map(|answer| answer.context))).await
}

/// An explicit `"stream": false` counts more than what the client would accept.
fn framing(headers: &HeaderMap, stream: Option<bool>) -> Framing {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match stream {
        Some(false) => Framing::Whole,
        _ if accept.contains("text/event-stream") => Framing::Event,
        Some(true) => Framing::Line,
        None => Framing::Whole,
    }
}
