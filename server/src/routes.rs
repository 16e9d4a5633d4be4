//! Every path on one screen, and the layers around them in order.

mod common_errors;
mod conversations;
mod health;
mod jobs;
mod messages;
mod models;
mod ollama;
mod opening;
mod runs;
mod v1;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::Response,
    routing::{delete, get, post},
};
use tower::ServiceExt;
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    services::{ServeDir, ServeFile},
    set_header::SetResponseHeaderLayer,
};
use tracing::Instrument;
use utoipa::OpenApi;

use self::common_errors::CommonErrors;
use crate::{access, dialect, error::Error, state::AppState, telemetry::spans::Span};

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The whole HTTP surface of the server.
pub fn router(state: AppState) -> Router {
    let router = Router::new()
        // Probes and operators.
        .route("/health", get(health::health))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/api/openapi.json", get(async || Json(ApiDoc::openapi())))
        // Our own UI.
        .route("/api/conversations", get(conversations::list).post(conversations::create))
        .route(
            "/api/conversations/{id}",
            get(conversations::show).patch(conversations::update).delete(conversations::delete),
        )
        .route("/api/conversations/{id}/messages", post(messages::post))
        .route("/api/conversations/{id}/runs", post(messages::answer_again))
        .route("/api/runs/{id}", get(runs::show))
        .route("/api/runs/{id}/events", get(runs::events))
        .route("/api/runs/{id}/stop", post(runs::stop))
        .route("/api/models", get(models::list))
        .route("/api/models/pull", post(models::pull))
        .route("/api/models/{name}", delete(models::delete))
        .route("/api/models/{name}/load", post(models::load))
        .route("/api/models/{name}/unload", post(models::unload))
        .route("/api/jobs", get(jobs::list))
        .route("/api/jobs/{id}", get(jobs::show))
        .route("/api/jobs/{id}/cancel", post(jobs::cancel))
        // Ollama's clients, and the callers of the original system.
        .route("/api/chat", post(ollama::chat::chat))
        .route("/api/generate", post(ollama::generate::generate))
        .route("/api/embed", post(ollama::embed::embed))
        .route("/api/embeddings", post(ollama::embed::embed_one))
        .route("/api/tags", get(ollama::models::tags))
        .route("/api/ps", get(ollama::models::ps))
        .route("/api/show", post(ollama::models::show))
        .route("/api/version", get(ollama::models::version))
        .route("/api/pull", post(ollama::pull::pull))
        .route("/api/delete", delete(ollama::pull::delete))
        // OpenAI's clients.
        .route("/v1/models", get(v1::models::models))
        .route("/v1/models/{*id}", get(v1::models::model))
        .route("/v1/chat/completions", post(v1::chat_completions::chat_completions))
        .route("/v1/completions", post(v1::completions::completions))
        .route("/v1/responses", post(v1::responses::responses))
        .route("/v1/embeddings", post(v1::embeddings::embeddings));

    let router = match &state.config.ui_dir {
        // The UI has its own paths, such as /chat/…, so every other path is its page, unless a client would read it.
        Some(folder) => {
            let page = ServeDir::new(folder).fallback(ServeFile::new(folder.join("index.html")));
            router.fallback(move |request: Request| async move {
                match dialect::is_for_clients(request.uri().path()) {
                    true => Err(Error::not_found("path")),
                    false => Ok(page.oneshot(request).await),
                }
            })
        }
        None => router.route("/", get(ollama::models::root)).fallback(async || Error::not_found("path")),
    };

    // The last layer is the outermost: a request passes them from the bottom to the top.
    router
        // A refused body still gets an error in the client's dialect.
        .layer(DefaultBodyLimit::max(MAX_BODY))
        // Nobody gets past without the token or from a strange page.
        .layer(middleware::from_fn_with_state(state.config.clone(), access::check))
        // A browser's question before a request from an allowed origin is answered without a token.
        .layer(access::cors(&state.config))
        // A panic ends one request, not the server.
        .layer(CatchPanicLayer::new())
        // What went wrong below is written in the shape that the path's clients read.
        .layer(middleware::from_fn(dialect::render_errors))
        // Counted, logged and traced with the status that the client sees.
        .layer(middleware::from_fn_with_state(state.clone(), observe))
        // A page that embeds or sniffs our answers gets nowhere.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ))
        // Every answer and log line carries the request's id, the client's own when it sends one.
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
        .with_state(state)
}

/// Scripts only from here; styles inline too, because highlighted code carries its colours in `style`.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// One log line, one span and one count for each request, without its body. Probes ask every few seconds, so their lines
/// are for debugging only, and they have no span.
async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let request_id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let is_probe = ["/health", "/readyz", "/metrics"].contains(&route.as_str());
    let started = std::time::Instant::now();
    let trace = if is_probe { Span::none() } else { Span::of_request(request.headers(), method, &route) };
    let trace_id = trace.trace_id().map(tracing::field::display);
    let span = tracing::info_span!("request", request_id, method, route, trace_id);
    let response = trace.scope(next.run(request)).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    span.in_scope(|| match is_probe {
        true => tracing::debug!(status, milliseconds, "answered"),
        false => tracing::info!(status, milliseconds, "answered"),
    });
    state.metrics.count_request(method, &route, status);
    trace.until_sent(response)
}

/// A client may make methods up, and each would be a series of the metrics for ever.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// The schema of the whole HTTP surface; the UI's types and the API's tests are made from it.
#[derive(OpenApi)]
#[openapi(
    info(title = "Flotilla", description = "LLMs as a service."),
    modifiers(&CommonErrors),
    paths(
        health::health,
        health::readyz,
        health::metrics,
        conversations::list,
        conversations::create,
        conversations::show,
        conversations::update,
        conversations::delete,
        messages::post,
        messages::answer_again,
        runs::show,
        runs::events,
        runs::stop,
        models::list,
        models::pull,
        models::load,
        models::unload,
        models::delete,
        jobs::list,
        jobs::show,
        jobs::cancel,
        ollama::chat::chat,
        ollama::generate::generate,
        ollama::embed::embed,
        ollama::embed::embed_one,
        ollama::models::tags,
        ollama::models::ps,
        ollama::models::show,
        ollama::models::version,
        ollama::pull::pull,
        ollama::pull::delete,
        v1::models::models,
        v1::models::model,
        v1::chat_completions::chat_completions,
        v1::completions::completions,
        v1::responses::responses,
        v1::embeddings::embeddings,
    ),
    components(schemas(crate::chat::run::RunEvent))
)]
pub struct ApiDoc;
