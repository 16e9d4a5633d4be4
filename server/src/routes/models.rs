//! The models that can be asked.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{chat, dialect::own::ErrorBody, engine::Model, error::Result, state::AppState};

#[derive(Serialize, ToSchema)]
pub struct Models {
    models: Vec<Model>,
    /// The one that answers when a request names none.
    default: Option<String>,
}

/// What is installed, and what of it is in memory.
#[utoipa::path(get, path = "/api/models", tag = "models", operation_id = "list_models",
    responses((status = 200, body = Models), (status = 503, body = ErrorBody)))]
pub async fn list(State(state): State<AppState>) -> Result<Json<Models>> {
    let models = state.engine.models().await?;
    Ok(Json(Models { default: chat::default_of(&state, &models).map(|model| model.id.clone()), models }))
}
