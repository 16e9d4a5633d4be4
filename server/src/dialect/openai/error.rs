use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// What an error of `/v1` looks like, as a body and as the last event of a stream that broke off.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiErrorBody)]
pub struct ErrorBody<'a> {
    error: ErrorObject<'a>,
}

/// All four fields are always there: clients read them without looking.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenAiErrorObject)]
pub struct ErrorObject<'a> {
    message: &'a str,
    /// The family of the error, for example `invalid_request_error`.
    r#type: &'static str,
    /// The field of the request that is wrong, as a path.
    param: Option<&'a str>,
    /// The error itself, for example `model_not_found`.
    code: Option<&'a str>,
}

impl<'a> From<&'a Error> for ErrorBody<'a> {
    fn from(error: &'a Error) -> Self {
        Self {
            error: ErrorObject {
                message: &error.message,
                r#type: type_of(error.status),
                param: error.param.as_deref(),
                code: Some(error.code),
            },
        }
    }
}

fn type_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_all_four_keys_even_when_they_are_null() {
        let error = Error::draining();
        let body = serde_json::to_string(&ErrorBody::from(&error)).unwrap();
        insta::assert_snapshot!(
            body,
            @r#"{"error":{"message":"the server is shutting down","type":"overloaded_error","param":null,"code":"draining"}}"#
        );
    }

    #[test]
    fn the_type_follows_the_status() {
        let type_of = |status| type_of(StatusCode::from_u16(status).unwrap());
        assert_eq!(type_of(400), "invalid_request_error");
        assert_eq!(type_of(401), "authentication_error");
        assert_eq!(type_of(403), "permission_error");
        assert_eq!(type_of(404), "not_found_error");
        assert_eq!(type_of(413), "invalid_request_error");
        assert_eq!(type_of(429), "rate_limit_error");
        assert_eq!(type_of(500), "server_error");
        assert_eq!(type_of(503), "overloaded_error");
        assert_eq!(type_of(504), "server_error");
    }
}
