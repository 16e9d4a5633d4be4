use std::time::Instant;

use axum::extract::State;

use super::memory;
use crate::{
    chat::{self, admission::Call},
    dialect::ollama::{EmbedRequest, EmbedResponse, ErrorBody, OldEmbedRequest, OldEmbedResponse},
    error::Result,
    extract::Json,
    state::AppState,
};

/// Make vectors of texts. Each has length 1, so the product of two is how alike their texts are.
#[utoipa::path(
    post,
    path = "/api/embed",
    tag = "Ollama",
    request_body = EmbedRequest,
    responses(
        (status = OK, body = EmbedResponse),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn embed(
    State(state): State<AppState>,
    call: Call,
    Json(mut request): Json<EmbedRequest>,
) -> Result<Json<EmbedResponse>> {
    let asked_at = Instant::now();
    let (model, dimensions, truncate) = (request.model.take(), request.dimensions, request.truncate());
    let keep_alive = memory::allowed(&state, request.keep_alive()?);
    let made = chat::embed(&state, &call, model, request.into_texts()?, truncate, keep_alive).await;
    let (model, embeddings) = made.map_err(|error| error.located("input", "input"))?;
    Ok(Json(EmbedResponse::new(model, embeddings, dimensions, asked_at)?))
}

/// The older form of `/api/embed`, for one text.
#[utoipa::path(
    post,
    path = "/api/embeddings",
    tag = "Ollama",
    request_body = OldEmbedRequest,
    responses(
        (status = OK, body = OldEmbedResponse),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn embed_one(
    State(state): State<AppState>,
    call: Call,
    Json(mut request): Json<OldEmbedRequest>,
) -> Result<Json<OldEmbedResponse>> {
    let (model, keep_alive) = (request.model.take(), memory::allowed(&state, request.keep_alive()?));
    let made = chat::embed(&state, &call, model, request.into_texts()?, true, keep_alive).await;
    let (_, embeddings) = made.map_err(|error| error.located("prompt", "prompt"))?;
    Ok(Json(embeddings.into()))
}
