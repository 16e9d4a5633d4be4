//! Who may call: the bearer token, and the checks that keep other websites away from a server on this computer. And who
//! calls: a handler that takes a [`Call`](crate::chat::admission::Call) learns it from here.

mod caller;

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{AUTHORIZATION, HOST, ORIGIN, RETRY_AFTER},
        request::Parts,
        uri::Authority,
    },
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowHeaders, CorsLayer};

use crate::{
    config::{Config, Secret},
    error::{Error, Result},
    state::AppState,
};

/// What answers without a token: a probe has none, and what no route names is a file of the UI, which must load before
/// its page can ask for one. So a new route asks for the token until it is named here.
fn is_public(request: &Request) -> bool {
    request.extensions().get::<MatchedPath>().is_none_or(|route| matches!(route.as_str(), "/health" | "/readyz"))
}

/// Refuse requests without the token, and requests that a page of another site makes a browser send.
pub async fn check(State(config): State<Arc<Config>>, request: Request, next: Next) -> Result<Response> {
    let headers = request.headers();
    let host = called_host(&request);
    check_host(&config, host.as_ref())?;
    check_origin(&config, headers, host.as_ref())?;
    // A browser asks for permission before the real request and sends no token with the question.
    let needs_token = request.method() != Method::OPTIONS && !is_public(&request);
    if needs_token && let Some(token) = &config.access_token {
        check_token(headers, token)?;
    }
    Ok(next.run(request).await)
}

/// Proof that the caller may change which models there are and which are in memory. A handler that does so takes this.
pub struct ModelChanges;

impl FromRequestParts<AppState> for ModelChanges {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self> {
        Self::check(&state.config)
    }
}

impl ModelChanges {
    /// # Errors
    /// 403 where everybody may call.
    pub fn check(config: &Config) -> Result<Self> {
        if may_change_models(config) {
            return Ok(Self);
        }
        Err(Error::forbidden(
            "models cannot be changed on this server, because everybody may call it; see ACCESS_TOKEN and ALLOW_MODEL_CHANGES",
        ))
    }
}

/// Whether those who may call may also change models. Until there are accounts, whoever has the token may, and whoever
/// sits at this computer.
pub fn may_change_models(config: &Config) -> bool {
    config.allow_model_changes || config.access_token.is_some() || config.listen_addr.ip().is_loopback()
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

/// The name and port that the client called: the Host header, or where there is none what an absolute address says.
fn called_host(request: &Request) -> Option<Authority> {
    match request.headers().get(HOST) {
        Some(host) => Authority::try_from(host.as_bytes()).ok(),
        None => request.uri().authority().cloned(),
    }
}

/// Against DNS rebinding: a server that listens on loopback answers to loopback names only.
fn check_host(config: &Config, host: Option<&Authority>) -> Result<()> {
    if !config.listen_addr.ip().is_loopback() {
        return Ok(());
    }
    match host.map(Authority::host) {
        Some(host) if is_loopback(host) || config.allowed_hosts.iter().any(|allowed| allowed == host) => Ok(()),
        _ => Err(Error::forbidden("this server answers to localhost only; see ALLOWED_HOSTS")),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Browsers name the page that makes a request. It must be one of our own, or one that the settings allow.
fn check_origin(config: &Config, headers: &HeaderMap, host: Option<&Authority>) -> Result<()> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    // A page without an origin of its own says `null`, which is nobody's name.
    let same_site = match (origin.split_once("://"), host) {
        (Some((_, called_from)), Some(host)) => *host == called_from,
        _ => false,
    };
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
