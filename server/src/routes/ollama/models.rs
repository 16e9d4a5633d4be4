use axum::extract::State;

use crate::{
    dialect::ollama::{ErrorBody, LoadedModels, ModelRequest, ShowResponse, Tags, Version},
    engine,
    error::{Error, Result},
    extract::Json,
    state::AppState,
};

/// What is installed.
#[utoipa::path(
    get,
    path = "/api/tags",
    tag = "Ollama",
    responses((status = OK, body = Tags), (status = SERVICE_UNAVAILABLE, body = ErrorBody)),
)]
pub async fn tags(State(state): State<AppState>) -> Result<Json<Tags>> {
    Ok(Json(state.engine.models().await?.into()))
}

/// What of it is in memory.
#[utoipa::path(
    get,
    path = "/api/ps",
    tag = "Ollama",
    responses((status = OK, body = LoadedModels), (status = SERVICE_UNAVAILABLE, body = ErrorBody)),
)]
pub async fn ps(State(state): State<AppState>) -> Result<Json<LoadedModels>> {
    Ok(Json(state.engine.models().await?.into()))
}

/// What is known of one model.
#[utoipa::path(
    post,
    path = "/api/show",
    tag = "Ollama",
    operation_id = "show_model",
    request_body = ModelRequest,
    responses(
        (status = OK, body = ShowResponse),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody),
    ),
)]
pub async fn show(State(state): State<AppState>, Json(request): Json<ModelRequest>) -> Result<Json<ShowResponse>> {
    let name = request.model()?;
    let models = state.engine.models().await?;
    let model = engine::resolve(&models, &name).ok_or_else(|| Error::unknown_model(&name))?;
    Ok(Json(model.into()))
}

/// The version of Ollama whose API this is.
#[utoipa::path(get, path = "/api/version", tag = "Ollama", responses((status = OK, body = Version)))]
pub async fn version() -> Json<Version> {
    Json(Version::default())
}

/// What Ollama's own client looks for before anything else. Where the UI is served this path is its page, which does too.
pub async fn root() -> &'static str {
    "Ollama is running"
}
