//! Wire formats, and nothing else: what clients of each dialect send and expect to read.
//!
//! Handlers in [`crate::routes`] turn these types into domain calls; nothing below them knows a dialect.
//! Which dialect an error is written in depends on the path alone, see [`render_errors`].

mod embedding;
mod logprobs;
pub mod ollama;
pub mod openai;
pub mod own;
pub mod sse;
mod tools;
mod writer;

use axum::{
    extract::Request,
    http::{
        HeaderName, Uri,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    middleware::Next,
    response::{IntoResponse, Json, Response},
};

pub use self::{
    tools::{FunctionDefinition, ToolDefinition},
    writer::Writer,
};
use crate::error::{Error, Result};

/// More than any conversation that fits a context, and few enough to look at one by one.
const MAX_MESSAGES: usize = 512;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware that writes the body of every error in the shape of the path that was asked for.
///
/// Handlers leave an [`Error`] in the response's extensions. Layers between them and this one (body limit, fallback, caught
/// panic) know only a status, so their text is replaced. Answers that are not errors pass untouched, streams among them.
pub async fn render_errors(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri());
    let request_id = request.headers().get(X_REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let error = match response.extensions_mut().remove::<Error>() {
        Some(error) => error,
        // A handler that writes JSON under an error's status means it so, as `/readyz` does.
        None if is_json(&response) => return response,
        None => Error::of_status(response.status()),
    };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(CONTENT_TYPE);
    let request_id = request_id.as_ref().or_else(|| parts.headers.get(X_REQUEST_ID)).and_then(|id| id.to_str().ok());
    let body = match dialect {
        Dialect::OpenAi => Json(openai::ErrorBody::from(&error)).into_response(),
        Dialect::Ollama => Json(ollama::ErrorBody::from(&error)).into_response(),
        Dialect::Own => Json(own::ErrorBody::new(&error, request_id)).into_response(),
    };
    (parts, body).into_response()
}

fn is_json(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    OpenAi,
    Ollama,
    Own,
}

impl Dialect {
    fn of(uri: &Uri) -> Self {
        match uri.path() {
            path if ollama::is_path(path) => Self::Ollama,
            path if is_below("/v1", path) => Self::OpenAi,
            _ => Self::Own,
        }
    }
}

/// Whether a path belongs to clients, who read errors, and to no page of the UI.
pub fn is_for_clients(path: &str) -> bool {
    is_below("/api", path) || is_below("/v1", path)
}

fn is_below(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// One text or several: how both dialects take `stop`, among others.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
#[serde(untagged, expecting = "expected a text or an array of texts")]
pub enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(texts: OneOrMany) -> Self {
        match texts {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        }
    }
}

/// The engine's seed: seeds may have 64 bits or be negative in both dialects, and -1 draws a new one. The same seed stays
/// the same, which is all that it promises.
fn seed(seed: Option<i64>) -> Option<u32> {
    seed.filter(|seed| *seed != -1).map(|seed| seed as u32)
}

/// Refuses a number of messages that is no conversation.
fn check_message_count(count: usize) -> Result<()> {
    if count == 0 {
        return Err(Error::invalid("messages", "messages must hold at least one message"));
    }
    if count > MAX_MESSAGES {
        return Err(Error::invalid("messages", format!("messages must hold at most {MAX_MESSAGES} messages")));
    }
    Ok(())
}
