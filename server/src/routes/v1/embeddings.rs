use axum::extract::State;

use crate::{
    chat::{self, admission::Call},
    dialect::openai::{EmbeddingList, EmbeddingRequest, ErrorBody},
    error::Result,
    extract::Json,
    state::AppState,
};

/// Make vectors of texts. Each has length 1, so the product of two is how alike their texts are.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "OpenAI",
    request_body = EmbeddingRequest,
    responses(
        (status = OK, body = EmbeddingList),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn embeddings(
    State(state): State<AppState>,
    call: Call,
    Json(request): Json<EmbeddingRequest>,
) -> Result<Json<EmbeddingList>> {
    let EmbeddingRequest { model, input, encoding_format, dimensions } = request;
    let made = chat::embed(&state, &call, model, input.into_texts()?, false, None).await;
    let (model, embeddings) = made.map_err(|error| error.located("input", "input"))?;
    Ok(Json(EmbeddingList::new(model, embeddings, encoding_format, dimensions)?))
}
