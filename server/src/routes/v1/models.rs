use axum::extract::{Path, State};

use crate::{
    dialect::openai::{ErrorBody, ModelList, ModelObject},
    engine,
    error::{Error, Result},
    extract::Json,
    state::AppState,
};

/// The models that can be asked for.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "OpenAI",
    responses((status = OK, body = ModelList), (status = SERVICE_UNAVAILABLE, body = ErrorBody)),
)]
pub async fn models(State(state): State<AppState>) -> Result<Json<ModelList>> {
    Ok(Json(state.engine.models().await?.into()))
}

/// One model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}",
    tag = "OpenAI",
    params(("id" = String, Path, description = "a model's name; without a tag it means `:latest`")),
    responses((status = OK, body = ModelObject), (status = NOT_FOUND, body = ErrorBody), (status = SERVICE_UNAVAILABLE, body = ErrorBody)),
)]
pub async fn model(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<ModelObject>> {
    let models = state.engine.models().await?;
    let model = engine::resolve(&models, &id);
    Ok(Json(model.ok_or_else(|| Error::unknown_model(&id))?.clone().into()))
}
