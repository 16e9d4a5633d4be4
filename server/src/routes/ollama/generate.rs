use std::time::Instant;

use axum::{extract::State, response::Response};

use super::{memory, respond, respond_without_question};
use crate::{
    chat::{Question, Trim, admission::Call},
    dialect::ollama::{ErrorBody, Framing, GenerateRequest, GenerateResponse, Kind},
    error::Result,
    extract::Json,
    routes::opening::{located, open},
    state::AppState,
};

/// Answer one prompt, or continue it with `"raw": true`: as lines of JSON, or in one object with `"stream": false`. Nothing is
/// shortened: a prompt that does not fit is refused. Without one the model is loaded, or unloaded with a `keep_alive` of 0.
#[utoipa::path(
    post,
    path = "/api/generate",
    tag = "Ollama",
    request_body = GenerateRequest,
    responses(
        (status = OK, content(
            (GenerateResponse = "application/json"),
            (GenerateResponse = "application/x-ndjson"),
        )),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = CONFLICT, description = "it is answering, or kept elsewhere, and cannot be unloaded", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn generate(
    State(state): State<AppState>,
    call: Call,
    Json(request): Json<GenerateRequest>,
) -> Result<Response> {
    let asked_at = Instant::now();
    let framing = if request.streams() { Framing::Line } else { Framing::Whole };
    let (model, keep_alive) = (request.model.clone(), request.keep_alive()?);
    let Some(question) = request.into_question()? else {
        return respond_without_question(&state, model, keep_alive, framing, Kind::Generate).await;
    };
    let keep_alive = memory::allowed(&state, keep_alive);
    let opening = open(state, call, Question { keep_alive, ..question }, Trim::Never);
    let opening = located(opening, "prompt", "format");
    respond(opening, framing, asked_at, |_| Kind::Generate).await
}
