//! Probes and metrics.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{chat, state::AppState};

#[derive(Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `unready`.
    status: &'static str,
    /// What is missing, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Liveness: the process answers. Never asks the database or the engine, so their trouble restarts nothing.
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Readiness: the database is reachable, the default model would answer, and the server is not shutting down.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub async fn readyz(State(state): State<AppState>) -> (StatusCode, Json<Readiness>) {
    match missing(&state).await {
        None => (StatusCode::OK, Json(Readiness { status: "ready", reason: None })),
        reason => (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness { status: "unready", reason })),
    }
}

async fn missing(state: &AppState) -> Option<String> {
    if state.shutdown.is_leaving() {
        return Some("the server is shutting down".to_owned());
    }
    if state.store.ping().await.is_err() {
        return Some("the database cannot be reached".to_owned());
    }
    let model = match chat::default_model(state).await {
        Ok(model) => model.id,
        Err(error) => return Some(error.message),
    };
    state.engine.ready(&model).await.err().map(|error| error.to_string())
}

/// All series in the text format of Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, body = String, content_type = "text/plain"), (status = 401, description = "No token")))]
pub async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], state.metrics.render())
}
