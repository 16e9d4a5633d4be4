//! OpenAI's JSON, as far as we use it, and what its compatible servers make of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{chat::Parameters, engine, engine::PromptMessage};

#[derive(Serialize)]
pub struct ChatRequest<'a> {
    model: &'a str,
    messages: Cow<'a, [PromptMessage]>,
    /// With an answer at the end of the messages that has to be continued. llama-server does so by itself; vLLM does when
    /// it is told with these two; a server that knows neither refuses them, and so does not begin a second answer.
    #[serde(flatten)]
    continuation: Option<Continuation>,
    stream: bool,
    stream_options: StreamOptions,
    /// Ours have the names that OpenAI, or else llama.cpp's server, gave them.
    #[serde(flatten)]
    parameters: &'a Parameters,
}

#[derive(Serialize)]
struct Continuation {
    continue_final_message: bool,
    add_generation_prompt: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> ChatRequest<'a> {
    pub fn new(request: &'a engine::ChatRequest) -> Self {
        let continues = !request.answer_so_far.is_empty();
        Self {
            model: &request.model,
            messages: request.messages_and_answer(),
            continuation: continues
                .then_some(Continuation { continue_final_message: true, add_generation_prompt: false }),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            parameters: &request.parameters,
        }
    }
}

/// An event of an answer.
#[derive(Deserialize)]
pub struct Chunk {
    #[serde(default)]
    pub choices: Vec<Choice>,
    pub usage: Option<Usage>,
    pub error: Option<Value>,
}

#[derive(Deserialize)]
pub struct Choice {
    #[serde(default)]
    pub delta: ChoiceDelta,
    pub finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
pub struct ChoiceDelta {
    pub content: Option<String>,
}

#[derive(Deserialize)]
pub struct Usage {
    #[serde(default)]
    pub prompt_tokens: u32,
    #[serde(default)]
    pub completion_tokens: u32,
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Deserialize)]
pub struct PromptTokensDetails {
    pub cached_tokens: Option<u32>,
}

/// `/models`.
#[derive(Deserialize)]
pub struct ModelList {
    pub data: Vec<ListedModel>,
}

#[derive(Deserialize)]
pub struct ListedModel {
    pub id: String,
    /// Only vLLM says this.
    pub max_model_len: Option<u32>,
}

/// An error of an OpenAI-compatible server, whichever of the usual shapes it has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub is_context_overflow: bool,
}

impl Failure {
    /// From the body of a response; `None` when it is not JSON with a message, so that something else answered.
    pub fn from_body(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error").unwrap_or(&body);
        let failure = Self::from_error(error);
        (!failure.message.is_empty()).then_some(failure)
    }

    /// From the value of `error`: an object, or in some servers a text.
    pub fn from_error(error: &Value) -> Self {
        let text = |field: &str| error[field].as_str().unwrap_or_default();
        let message = error.as_str().unwrap_or_else(|| text("message"));
        Self {
            is_context_overflow: text("code") == "context_length_exceeded"
                || text("type") == "exceed_context_size_error"
                || message.contains("maximum context length"),
            message: message.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overflows(body: &str) -> bool {
        Failure::from_body(body.as_bytes()).unwrap().is_context_overflow
    }

    #[test]
    fn a_prompt_that_is_too_long_is_recognised_from_each_server() {
        assert!(overflows(
            r#"{"error":{"message":"Too long.","type":"invalid_request_error","code":"context_length_exceeded"}}"#
        ));
        assert!(overflows(
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#
        ));
        assert!(overflows(
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","code":400}"#
        ));
        assert!(!overflows(r#"{"error":{"message":"temperature is out of range","code":null}}"#));
    }

    #[test]
    fn an_error_may_be_a_plain_text() {
        let failure = Failure::from_body(br#"{"error":"no such model"}"#).unwrap();

        assert_eq!(failure.message, "no such model");
    }

    #[test]
    fn a_page_of_some_other_server_is_no_error_of_the_engine() {
        assert_eq!(Failure::from_body(b"<html>404</html>"), None);
    }
}
