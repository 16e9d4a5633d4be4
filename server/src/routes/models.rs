//! The models that can be asked: which there are, which are in memory, and how they come and go.

use axum::{
    Json as Reply,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    access::{ModelChanges, may_change_models},
    chat,
    dialect::own::ErrorBody,
    engine::Model,
    error::Result,
    extract::Json,
    models::{ModelName, jobs},
    state::AppState,
    store::Job,
};

#[derive(Serialize, ToSchema)]
pub struct Models {
    models: Vec<Model>,
    /// The one that answers when a request names none.
    default: Option<String>,
    /// Whether the caller may pull, load, unload and delete them.
    can_change: bool,
}

/// What is installed, and what of it is in memory.
#[utoipa::path(get, path = "/api/models", tag = "models", operation_id = "list_models",
    responses((status = 200, body = Models), (status = 503, body = ErrorBody)))]
pub async fn list(State(state): State<AppState>) -> Result<Reply<Models>> {
    let models = state.engine.models().await?;
    let default = chat::default_of(&state, &models).map(|model| model.id.clone());
    let can_change = state.config.runs_models() && may_change_models(&state.config);
    Ok(Reply(Models { models, default, can_change }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// A name of the Ollama library such as `qwen2.5:0.5b`, or `hf.co/owner/repository:Q4_K_M`.
    model: String,
}

/// Start to download a model. Whoever asks for the same one meanwhile gets the same job.
#[utoipa::path(post, path = "/api/models/pull", tag = "models", operation_id = "pull_model", request_body = Pull,
    responses(
        (status = 202, body = Job),
        (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody),
        (status = 409, description = "the models are kept elsewhere", body = ErrorBody),
        (status = 503, body = ErrorBody),
    ))]
pub async fn pull(
    _: ModelChanges,
    State(state): State<AppState>,
    Json(Pull { model }): Json<Pull>,
) -> Result<(StatusCode, Reply<Job>)> {
    let name = ModelName::parse(&model)?;
    Ok((StatusCode::ACCEPTED, Reply(jobs::start(&state, &name).await?)))
}

/// Bring a model into memory; the answer comes when it is there. KEEP_ALIVE says how long it stays without being used.
#[utoipa::path(post, path = "/api/models/{name}/load", tag = "models", operation_id = "load_model",
    params(("name" = String, Path, description = "with `/` written as `%2F`")),
    responses(
        (status = 204),
        (status = 400, description = "it does not fit the memory", body = ErrorBody),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "the models are kept elsewhere", body = ErrorBody),
        (status = 503, body = ErrorBody),
    ))]
pub async fn load(_: ModelChanges, State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode> {
    state.shutdown.refuse_while_draining()?;
    state.engine.load(&name, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a model out of memory, unless it is answering.
#[utoipa::path(post, path = "/api/models/{name}/unload", tag = "models", operation_id = "unload_model",
    params(("name" = String, Path, description = "with `/` written as `%2F`")),
    responses(
        (status = 204),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "it is answering, or the models are kept elsewhere", body = ErrorBody),
    ))]
pub async fn unload(_: ModelChanges, State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode> {
    state.engine.unload(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete an installed model, unless it is answering.
#[utoipa::path(delete, path = "/api/models/{name}", tag = "models", operation_id = "delete_model",
    params(("name" = String, Path, description = "with `/` written as `%2F`")),
    responses(
        (status = 204),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 409, description = "it is answering, or the models are kept elsewhere", body = ErrorBody),
    ))]
pub async fn delete(_: ModelChanges, State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode> {
    state.engine.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
