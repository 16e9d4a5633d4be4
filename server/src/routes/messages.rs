//! Messages: each one that is sent starts a run that answers it.

use axum::{Json as Reply, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversations::find;
use crate::{
    chat::{
        admission::Call,
        turn::{self, NewMessage, Turn},
    },
    dialect::own::ErrorBody,
    error::Result,
    extract::{Json, Path},
    state::AppState,
};

/// Send a message. With an `id` of the client's, sending it twice makes one message and gives the same reply.
#[utoipa::path(post, path = "/api/conversations/{id}/messages", tag = "messages", request_body = NewMessage,
    responses(
        (status = 202, body = Turn),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody),
        (status = 429, description = "the caller has its share of the line already", body = ErrorBody),
        (status = 503, description = "the line is full, or the database cannot be reached", body = ErrorBody),
    ))]
pub async fn post(
    State(state): State<AppState>,
    call: Call,
    Path(id): Path<Uuid>,
    Json(new): Json<NewMessage>,
) -> Result<(StatusCode, Reply<Turn>)> {
    let conversation = find(&state, id).await?;
    Ok((StatusCode::ACCEPTED, Reply(turn::post_message(&state, &call, conversation, new).await?)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// The user's message to answer.
    parent_id: Uuid,
    /// Instead of the conversation's model.
    model: Option<String>,
}

/// Write another answer to a message: Regenerate, and Retry after a failure.
#[utoipa::path(post, path = "/api/conversations/{id}/runs", tag = "messages", request_body = NewRun,
    responses(
        (status = 202, body = Turn),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 429, description = "the caller has its share of the line already", body = ErrorBody),
        (status = 503, description = "the line is full, or the database cannot be reached", body = ErrorBody),
    ))]
pub async fn answer_again(
    State(state): State<AppState>,
    call: Call,
    Path(id): Path<Uuid>,
    Json(NewRun { parent_id, model }): Json<NewRun>,
) -> Result<(StatusCode, Reply<Turn>)> {
    let conversation = find(&state, id).await?;
    Ok((StatusCode::ACCEPTED, Reply(turn::answer_again(&state, &call, conversation, parent_id, model).await?)))
}
