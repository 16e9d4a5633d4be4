//! What a request can fail with, before the first byte of its answer.
//!
//! Handlers return [`Error`]; [`crate::dialect::render_errors`] writes it in the shape of the path that was asked for,
//! so one handler error reads right to every client. Causes are logged here and never reach a client.

use std::sync::atomic::{AtomicU32, Ordering};

use axum::{
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use sea_orm::{DbErr, SqlErr};

use crate::{chat::admission::Refusal, engine::EngineError, models::NameError};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub status: StatusCode,
    pub code: &'static str,
    /// One sentence for a person: what is wrong and, where it helps, what to do.
    pub message: String,
    /// The field of the request that is wrong, as a path: `messages[0].role`.
    pub param: Option<String>,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u32>,
}

impl Error {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), param: None, retry_after: None }
    }

    /// 400: `param` has a value that cannot be used.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", message) }
    }

    /// 400: `param` asks for something that cannot be done here, and leaving it out of account would change the answer.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: "unsupported_parameter", ..Self::invalid(param, message) }
    }

    /// The same with the fields of the request that an engine does not know the names of: where its prompt stood, and where
    /// the schema of its answer did.
    #[must_use]
    pub fn located(self, prompt: &str, schema: &str) -> Self {
        match self.code {
            "context_length_exceeded" => Self { param: Some(prompt.to_owned()), ..self },
            INVALID_SCHEMA => Self::invalid(schema, format!("{schema}: {}", self.message)),
            _ => self,
        }
    }

    /// 401: the bearer token is missing or wrong.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "this server asks for a bearer token")
    }

    /// 403: a page of another site, or a name that this server does not answer to.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: `what` is not there.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
    }

    /// 404: no such model.
    pub fn unknown_model(model: &str) -> Self {
        Self {
            param: Some("model".to_owned()),
            ..Self::new(StatusCode::NOT_FOUND, "model_not_found", format!("model '{model}' not found"))
        }
    }

    /// 409: the request does not fit the state that things are in.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 502: a model could not be pulled.
    pub fn pull_failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "pull_failed", message)
    }

    /// 503 while the server shuts down.
    pub fn draining() -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the server is shutting down");
        Self { retry_after: Some(5), ..error }
    }

    /// For a status that a layer below the handlers chose: a body too large, a method not allowed.
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::not_found("path"),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(status, "method_not_allowed", "this path has other methods"),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(status, "payload_too_large", "the body is too large"),
            status if status.is_client_error() => {
                Self::new(status, "invalid_request", status.canonical_reason().unwrap_or("the request is not valid"))
            }
            status => Self::new(status, "internal", "an internal error occurred"),
        }
    }
}

/// The code of an error that does not have its field yet.
const INVALID_SCHEMA: &str = "invalid_schema";

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::Unavailable(_) | EngineError::Overloaded(_) => Self {
                retry_after: Some(2),
                ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "engine_unavailable", message)
            },
            EngineError::Timeout => Self::new(StatusCode::GATEWAY_TIMEOUT, "engine_timeout", message),
            EngineError::UnknownModel(model) => Self::unknown_model(&model),
            EngineError::ContextLengthExceeded => Self {
                param: Some("messages".to_owned()),
                ..Self::new(StatusCode::BAD_REQUEST, "context_length_exceeded", message)
            },
            EngineError::TooLarge { .. } => Self { code: "model_too_large", ..Self::invalid("model", message) },
            EngineError::InUse(_) | EngineError::KeptElsewhere => Self::conflict(message),
            EngineError::InvalidRequest(_) => Self::new(StatusCode::BAD_REQUEST, "invalid_request", message),
            EngineError::UnusableSchema(_) => Self::new(StatusCode::BAD_REQUEST, INVALID_SCHEMA, message),
            EngineError::UnusableTools(_) => Self::invalid("tools", message),
            EngineError::ToolsUnsupported => Self::unsupported("tools", message),
            EngineError::Unsupported { param, .. } => Self::unsupported(param, message),
            EngineError::Interrupted => Self::new(StatusCode::BAD_GATEWAY, "engine_interrupted", message),
            EngineError::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "the engine failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "engine_failed", message)
            }
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::QueueFull(_) | Refusal::Timeout(_) => (StatusCode::SERVICE_UNAVAILABLE, refusal.cause()),
            Refusal::CallerLimit(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded"),
        };
        Self { retry_after: Some(seconds_to_spread_retries()), ..Self::new(status, code, refusal.to_string()) }
    }
}

/// 1 to 5, so that those who are refused together do not come back together.
fn seconds_to_spread_retries() -> u32 {
    static REFUSED: AtomicU32 = AtomicU32::new(0);
    1 + REFUSED.fetch_add(1, Ordering::Relaxed) % 5
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        Self::invalid("model", format!("model: {error}"))
    }
}

impl From<DbErr> for Error {
    fn from(cause: DbErr) -> Self {
        // What two requests did at once is no failure of the database.
        match (&cause, cause.sql_err()) {
            (DbErr::RecordNotUpdated | DbErr::RecordNotFound(_), _)
            | (_, Some(SqlErr::ForeignKeyConstraintViolation(_))) => return Self::not_found("conversation"),
            (_, Some(SqlErr::UniqueConstraintViolation(_))) => return Self::conflict("this id is taken already"),
            _ => {}
        }
        let text = cause.to_string();
        tracing::error!(error = text, "the database failed");
        let message = if text.contains("disk is full") || text.contains("No space left") {
            "nothing can be saved: the disk is full. Make room and try again; what is saved can still be read."
        } else {
            "the database cannot be reached; try again in a moment"
        };
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", message);
        Self { retry_after: Some(5), ..error }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
