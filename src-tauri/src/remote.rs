//! A way through to a server elsewhere. The page keeps talking to loopback, so its content security policy stays
//! closed, the server needs no CORS, and its cookies and redirects reach nobody.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header},
    middleware,
    response::{IntoResponse, Response},
    routing::any,
    serve::ListenerExt,
};
use flotilla::{Config, access};
use reqwest::{Client, redirect::Policy};
use serde_json::json;

use crate::{
    loopback::{Bound, Loopback},
    server_url::ServerUrl,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that is asked whether it is there has to say so within this time.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest body of a request, in bytes; the server has the same limit.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Where the page puts the token that the server elsewhere asks for. `authorization` holds the one of our own port.
const SERVER_AUTHORIZATION: HeaderName = HeaderName::from_static("x-server-authorization");
/// What of a request goes on. Our token, our origin and any cookie do not.
const REQUEST_HEADERS: [HeaderName; 3] =
    [header::ACCEPT, header::CONTENT_TYPE, HeaderName::from_static("last-event-id")];
/// What of an answer comes back.
const RESPONSE_HEADERS: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CACHE_CONTROL, header::RETRY_AFTER, HeaderName::from_static("x-request-id")];

/// Why an address cannot be used as a server.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("{0} does not answer. Check the address, and that the server runs.")]
    Unreachable(ServerUrl),
    #[error("Something answers at {0}, but it is not a Flotilla server.")]
    NotFlotilla(ServerUrl),
}

/// Ask the server whether it is one.
pub async fn check(server: &ServerUrl) -> Result<(), CheckError> {
    let unreachable = |_| CheckError::Unreachable(server.clone());
    let request = client().map_err(unreachable)?.get(server.join("/health")).timeout(CHECK_TIMEOUT);
    let response = request.send().await.map_err(unreachable)?;
    let is_ok = response.status() == StatusCode::OK;
    let health = response.json::<serde_json::Value>().await.unwrap_or_default();
    match is_ok && health["status"] == "ok" {
        true => Ok(()),
        false => Err(CheckError::NotFlotilla(server.clone())),
    }
}

/// Listen on loopback and pass the API's requests on to `server`.
pub async fn start(server: ServerUrl) -> anyhow::Result<Loopback> {
    let mut config = Config::from_environment()?;
    let bound = Bound::new().await?;
    bound.restrict(&mut config);
    let remote = Remote { server, client: client().context("connections cannot be made")? };
    let router = router(Arc::new(config), remote);
    Ok(Loopback::start(bound, |listener, stop| async move {
        // Small pieces of an answer must not wait for each other.
        let listener = listener.tap_io(|connection| _ = connection.set_nodelay(true));
        // What still streams has its end elsewhere, so there is nothing to wait for.
        tokio::select! {
            _ = axum::serve(listener, router).into_future() => {}
            _ = stop => {}
        }
    }))
}

#[derive(Clone)]
struct Remote {
    server: ServerUrl,
    client: Client,
}

fn client() -> reqwest::Result<Client> {
    // No cookie store, and a redirect could lead anywhere.
    Client::builder().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT).build()
}

fn router(config: Arc<Config>, remote: Remote) -> Router {
    Router::new()
        .route("/api/{*path}", any(forward))
        .route("/v1/{*path}", any(forward))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(config.clone(), access::check))
        .layer(access::cors(&config))
        .with_state(remote)
}

async fn forward(State(remote): State<Remote>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = remote.client.request(method, remote.server.join(path_and_query));
    let mut onward = only(&REQUEST_HEADERS, &headers);
    if let Some(token) = headers.get(SERVER_AUTHORIZATION) {
        onward.insert(header::AUTHORIZATION, token.clone());
    }
    match request.headers(onward).body(body).send().await {
        Ok(answer) if answer.status().is_redirection() => {
            failure(format!("{} sends its visitors on to another address; enter that one", remote.server))
        }
        Ok(answer) => {
            let (status, headers) = (answer.status(), only(&RESPONSE_HEADERS, answer.headers()));
            (status, headers, Body::from_stream(answer.bytes_stream())).into_response()
        }
        Err(error) => {
            tracing::warn!(error = %error.without_url(), "the server does not answer");
            failure(format!("{} does not answer", remote.server))
        }
    }
}

fn only(names: &[HeaderName], headers: &HeaderMap) -> HeaderMap {
    names.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

/// In the shape that the page reads from our own server.
fn failure(message: String) -> Response {
    let body = json!({ "error": { "code": "server_unreachable", "message": message } });
    (StatusCode::BAD_GATEWAY, Json(body)).into_response()
}
