use std::time::Instant;

use axum::{extract::State, response::Response};
use futures::stream;

use super::{json, lines, respond};
use crate::{
    chat::{Trim, admission::Call, model_or_default},
    dialect::ollama::{ErrorBody, Framing, GenerateRequest, GenerateResponse, Kind, Reply},
    engine::EngineError,
    error::Result,
    extract::Json,
    routes::opening::{located, open},
    state::AppState,
};

/// Answer one prompt, or continue it with `"raw": true`: as lines of JSON, or in one object with `"stream": false`. Without a
/// prompt the model is loaded. Nothing is shortened: a prompt that does not fit is refused.
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
    let model = request.model.clone();
    let Some(question) = request.into_question()? else { return load(state, model, framing, asked_at).await };
    let opening = located(open(state, call, question, Trim::Never), "prompt", "format");
    respond(opening, framing, asked_at, |_| Kind::Generate).await
}

async fn load(state: AppState, model: Option<String>, framing: Framing, asked_at: Instant) -> Result<Response> {
    let model = model_or_default(&state, model).await?;
    match state.engine.load(&model).await {
        // Whether it is in memory is the business of the server behind this one.
        Err(EngineError::KeptElsewhere) => state.engine.ready(&model).await?,
        loaded => loaded?,
    }
    let loaded = Reply::new(Kind::Generate, model, asked_at).loaded(framing);
    Ok(match framing {
        Framing::Line => lines(stream::iter([loaded])),
        Framing::Whole | Framing::Event => json(loaded),
    })
}
