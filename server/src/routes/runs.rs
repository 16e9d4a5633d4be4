//! Runs: follow an answer, or stop it.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use futures::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    chat::run,
    dialect::{own::ErrorBody, sse},
    error::{Error, Result},
    extract::{Path, Query},
    state::AppState,
    store::Run,
};

/// One run.
#[utoipa::path(get, path = "/api/runs/{id}", tag = "runs", operation_id = "show_run",
    responses((status = 200, body = Run), (status = 404, body = ErrorBody)))]
pub async fn show(State(state): State<AppState>, Path(id): Path<Uuid>) -> Result<Json<Run>> {
    Ok(Json(state.store.run(id).await?.ok_or_else(|| Error::not_found("run"))?))
}

#[derive(Deserialize, IntoParams)]
pub struct After {
    /// Number of the last event that the client has; the header `Last-Event-ID` says the same.
    #[serde(default)]
    after: u64,
}

/// Databases count to here.
fn is_event_number(number: &u64) -> bool {
    i64::try_from(*number).is_ok()
}

/// The events of a run: those after `after` at once, then the others as they come.
#[utoipa::path(get, path = "/api/runs/{id}/events", tag = "runs", params(After),
    responses(
        (status = 200, body = run::RunEvent, content_type = "text/event-stream"),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
    ))]
pub async fn events(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    Query(After { after }): Query<After>,
    headers: HeaderMap,
) -> Result<Response> {
    let last_seen = match headers.get("last-event-id") {
        Some(value) => value
            .to_str()
            .ok()
            .and_then(|value| value.parse().ok())
            .filter(is_event_number)
            .ok_or_else(|| Error::invalid("Last-Event-ID", "Last-Event-ID must be the number of an event"))?,
        None if is_event_number(&after) => after,
        None => return Err(Error::invalid("after", "after must be the number of an event")),
    };
    let events = run::follow(&state, id, last_seen).await?;
    let encode = |(seq, event): (u64, run::RunEvent)| {
        serde_json::to_string(&event).map(|json| sse::event_bytes(Some(seq), &json))
    };
    // Our own types always have a JSON form.
    Ok(sse::response(events.filter_map(move |event| std::future::ready(encode(event).ok()))))
}

/// Stop a run, whichever server writes it; what it has said so far is kept. Stopping an ended run does nothing.
#[utoipa::path(post, path = "/api/runs/{id}/stop", tag = "runs",
    responses((status = 202), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn stop(State(state): State<AppState>, Path(id): Path<Uuid>) -> Result<StatusCode> {
    run::stop(&state, id).await?;
    Ok(StatusCode::ACCEPTED)
}
