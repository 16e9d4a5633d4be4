//! The errors of this server's own paths: everything that is neither `/v1` nor Ollama's.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// What an error of our own paths looks like.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody<'a> {
    error: ErrorObject<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorObject<'a> {
    /// For programs, for example `not_found`.
    code: &'static str,
    /// For people: what is wrong and, where it helps, what to do.
    message: &'a str,
    /// The field of the request that is wrong, as a path.
    param: Option<&'a str>,
    /// Names this request in the server's log.
    request_id: Option<&'a str>,
}

impl<'a> ErrorBody<'a> {
    pub fn new(error: &'a Error, request_id: Option<&'a str>) -> Self {
        Self {
            error: ErrorObject { code: error.code, message: &error.message, param: error.param.as_deref(), request_id },
        }
    }
}
