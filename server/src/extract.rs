//! Bodies, paths and queries of requests. What cannot be used is answered with the field, or the line and column,
//! that is wrong.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{PathRejection, QueryRejection},
    },
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;
use tokio::time::timeout;

use crate::error::{Error, Result};

/// Serde repeats the offending value in its messages; of a long one the beginning is enough.
const MAX_VALUE_CHARS: usize = 200;
/// The whole body must be here by then. Without an end, bodies that stop coming would take every connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The ids in a path; one that is not a UUID is answered with 400.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Error))]
pub struct Path<T>(pub T);

impl From<PathRejection> for Error {
    fn from(_: PathRejection) -> Self {
        Self::invalid("id", "the id in the path must be a UUID")
    }
}

/// The parameters of a query; a wrong one is answered with 400.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Error))]
pub struct Query<T>(pub T);

impl From<QueryRejection> for Error {
    fn from(rejection: QueryRejection) -> Self {
        // "Failed to deserialize query string: limit: invalid digit found in string"
        let text = rejection.body_text();
        let mut parts = text.splitn(3, ": ").skip(1);
        match (parts.next(), parts.next()) {
            (Some(param), Some(reason)) => Self::invalid(param, format!("{param}: {reason}")),
            _ => Self::of_status(StatusCode::BAD_REQUEST),
        }
    }
}

/// A JSON body, of a request or of an answer.
///
/// As a request it fails with 415 for another content type (none at all is taken as JSON) and for a packed body, with 408 when it takes too
/// long to come, with 413 above the body limit and with 400 for everything that is not a `T`.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        check_content_type(request.headers())?;
        check_content_encoding(request.headers())?;
        match timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
            Ok(Ok(body)) => parse(&body).map(Self),
            Ok(Err(rejection)) => Err(Error::of_status(rejection.status())),
            Err(_) => {
                let message = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
                Err(Error { message, ..Error::of_status(StatusCode::REQUEST_TIMEOUT) })
            }
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<()> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = "the body must be JSON: send the header Content-Type: application/json".to_owned();
    Err(Error { message, ..Error::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE) })
}

/// A few packed bytes may be gigabytes, so nothing is unpacked.
fn check_content_encoding(headers: &HeaderMap) -> Result<()> {
    if headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity") {
        return Ok(());
    }
    let message = "the body must not be packed: send it without the header Content-Encoding".to_owned();
    Err(Error { message, ..Error::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE) })
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| describe(&error.path().to_string(), error.inner()))?;
    json.end().map_err(|error| describe(".", &error))?;
    Ok(value)
}

/// `path` is serde's: `.` is the whole body.
fn describe(path: &str, error: &serde_json::Error) -> Error {
    let reason = in_plain_words(&error.to_string());
    let path = Some(path).filter(|path| *path != ".");
    match error.classify() {
        Category::Data => {
            let param = match (path, missing_field(&reason)) {
                (Some(path), Some(field)) => Some(format!("{path}.{field}")),
                (path, field) => path.or(field).map(str::to_owned),
            };
            let message = param.as_deref().map_or_else(|| reason.clone(), |param| format!("{param}: {reason}"));
            Error { message, param, ..Error::of_status(StatusCode::BAD_REQUEST) }
        }
        Category::Syntax | Category::Eof | Category::Io => Error {
            message: format!("the body is not valid JSON: {reason}"),
            ..Error::of_status(StatusCode::BAD_REQUEST)
        },
    }
}

/// Serde reports a missing field at its parent, and names it in the message only.
fn missing_field(reason: &str) -> Option<&str> {
    reason.strip_prefix("missing field `")?.split('`').next()
}

/// Serde's reason without the names of Rust types.
fn in_plain_words(reason: &str) -> String {
    let (found, expected) = reason.rsplit_once(", expected ").unwrap_or((reason, ""));
    let found: String = found.chars().take(MAX_VALUE_CHARS).collect();
    let (expected, position) = expected.split_once(" at line ").unwrap_or((expected, ""));
    let expected = match expected {
        "" => return found,
        "u32" | "u64" => "a whole number of 0 or more",
        "i32" | "i64" => "a whole number",
        "f32" => "a number",
        "a sequence" => "an array",
        expected if expected.starts_with("struct ") => "an object",
        expected => expected,
    };
    format!("{found}, expected {expected} at line {position}")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures::{StreamExt, stream};
    use insta::assert_snapshot;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Letter {
        #[serde(rename = "pages")]
        _pages: Vec<Page>,
    }

    #[derive(Debug, Deserialize)]
    struct Page {
        #[serde(rename = "number")]
        _number: u32,
    }

    /// Parameter and message of the error that `body` is answered with.
    fn refusal(body: &str) -> String {
        let error = parse::<Letter>(body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.code), (StatusCode::BAD_REQUEST, "invalid_request"));
        format!("[{}] {}", error.param.unwrap_or_default(), error.message)
    }

    async fn status_of(content_type: Option<&str>) -> Option<StatusCode> {
        let mut request = Request::post("/");
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let request = request.body(Body::from(r#"{"pages":[]}"#)).unwrap();
        Json::<Letter>::from_request(request, &()).await.err().map(|error| error.status)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_refused() {
        let body = stream::iter([Ok::<_, Infallible>("{\"pages\":")]).chain(stream::pending());
        let request = Request::post("/").body(Body::from_stream(body)).unwrap();
        let error = Json::<Letter>::from_request(request, &()).await.unwrap_err();
        assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
        assert_snapshot!(error.message, @"the body did not arrive within 30 s");
    }

    #[test]
    fn malformed_json_is_refused_with_line_and_column() {
        assert_snapshot!(refusal("{\"pages\":\n  [}"), @"[] the body is not valid JSON: expected value at line 2 column 4");
    }

    #[test]
    fn json_that_breaks_off_is_refused_with_line_and_column() {
        assert_snapshot!(refusal("{\"pages\":"), @"[] the body is not valid JSON: EOF while parsing a value at line 1 column 9");
    }

    #[test]
    fn text_after_the_json_is_refused() {
        assert_snapshot!(refusal("{\"pages\":[]} {}"), @"[] the body is not valid JSON: trailing characters at line 1 column 14");
    }

    #[test]
    fn an_empty_body_is_refused() {
        assert_snapshot!(refusal(""), @"[] the body is not valid JSON: EOF while parsing a value at line 1 column 0");
    }

    #[test]
    fn a_wrong_type_names_the_field_by_its_path() {
        assert_snapshot!(refusal(r#"{"pages":[{"number":1},{"number":"two"}]}"#), @r#"[pages[1].number] pages[1].number: invalid type: string "two", expected a whole number of 0 or more at line 1 column 38"#);
    }

    #[test]
    fn a_missing_field_is_named_by_its_path() {
        assert_snapshot!(refusal(r#"{"pages":[{}]}"#), @"[pages[0].number] pages[0].number: missing field `number` at line 1 column 12");
        assert_snapshot!(refusal("{}"), @"[pages] pages: missing field `pages` at line 1 column 2");
    }

    #[test]
    fn a_body_that_is_no_object_is_refused() {
        assert_snapshot!(refusal("42"), @"[] invalid type: integer `42`, expected an object at line 1 column 2");
    }

    #[test]
    fn a_long_wrong_value_is_not_repeated_in_full() {
        let message = refusal(&format!(r#"{{"pages":"{}"}}"#, "x".repeat(1_000_000)));
        assert!(message.len() < 400, "{} bytes", message.len());
    }

    #[tokio::test]
    async fn json_is_taken_with_its_content_type_or_without_any() {
        assert_eq!(status_of(None).await, None);
        assert_eq!(status_of(Some("application/json")).await, None);
        assert_eq!(status_of(Some("Application/JSON; charset=utf-8")).await, None);
    }

    #[tokio::test]
    async fn another_content_type_is_refused() {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            assert_eq!(status_of(Some(content_type)).await, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
    }
}
