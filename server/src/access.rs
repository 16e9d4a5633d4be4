//! Who may call: the bearer token, and the checks that keep other websites away from a server on this computer.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Uri,
        header::{AUTHORIZATION, HOST, ORIGIN, RETRY_AFTER},
        uri::Authority,
    },
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowHeaders, CorsLayer};

use crate::{
    config::{Config, Secret},
    error::{Error, Result},
};

/// Paths that answer without a token: a probe has none, and a page must load before it can send one.
fn is_public(path: &str) -> bool {
    matches!(path, "/health" | "/readyz")
        || !(path.starts_with("/api/") || path.starts_with("/v1/") || path == "/metrics")
}

/// Refuse requests without the token, and requests that a page of another site makes a browser send.
pub async fn check(State(config): State<Arc<Config>>, request: Request, next: Next) -> Result<Response> {
    let headers = request.headers();
    check_host(&config, headers, request.uri())?;
    check_origin(&config, headers)?;
    // A browser asks for permission before the real request and sends no token with the question.
    let needs_token = request.method() != Method::OPTIONS && !is_public(request.uri().path());
    if needs_token && let Some(token) = &config.access_token {
        check_token(headers, token)?;
    }
    Ok(next.run(request).await)
}

/// What browsers are told about calls from pages elsewhere: off for everyone but ALLOWED_ORIGINS. OpenAI's SDKs send
/// headers of their own, `x-stainless-*`, so any is allowed.
pub fn cors(config: &Config) -> CorsLayer {
    let origins = config.allowed_origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("x-request-id"), RETRY_AFTER])
}

/// Against DNS rebinding: a server that listens on loopback answers to loopback names only.
fn check_host(config: &Config, headers: &HeaderMap, uri: &Uri) -> Result<()> {
    if !config.listen_addr.ip().is_loopback() {
        return Ok(());
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    let host = host.as_ref().or(uri.authority()).map(Authority::host);
    match host {
        Some(host) if is_loopback(host) || config.allowed_hosts.iter().any(|allowed| allowed == host) => Ok(()),
        _ => Err(Error::forbidden("this server answers to localhost only; see ALLOWED_HOSTS")),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Browsers name the page that makes a request. It must be one of our own, or one that the settings allow.
fn check_origin(config: &Config, headers: &HeaderMap) -> Result<()> {
    let Some(origin) = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let same_site = origin.split_once("://").map(|(_, authority)| authority) == host;
    match same_site || config.allowed_origins.iter().any(|allowed| allowed == origin) {
        true => Ok(()),
        false => Err(Error::forbidden("pages of this origin may not call this server; see ALLOWED_ORIGINS")),
    }
}

fn check_token(headers: &HeaderMap, token: &Secret) -> Result<()> {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match sent.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(sent) if equal_in_constant_time(sent.as_bytes(), token.expose().as_bytes()) => Ok(()),
        _ => Err(Error::unauthorized()),
    }
}

/// Compare without telling, by the time it takes, how many bytes were right.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}
