//! The JSON that OpenAI-compatible servers answer with, as far as we use it.

use serde::Deserialize;
use serde_json::Value;

use crate::engine::upstream::wire::TokenLogprob;

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
    /// Where a text is continued, in place of `delta`.
    pub text: Option<String>,
    pub logprobs: Option<Logprobs>,
    pub finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
pub struct ChoiceDelta {
    pub content: Option<String>,
    /// Thoughts, as DeepSeek, llama-server and older vLLMs name them.
    reasoning_content: Option<String>,
    /// The same in newer vLLMs and in Ollama. Others have put more than a text here.
    reasoning: Option<Value>,
    pub tool_calls: Option<Vec<ToolCallDelta>>,
}

impl ChoiceDelta {
    /// Thoughts, whatever their name. Servers that send both names say the same twice.
    pub fn take_reasoning(&mut self) -> Option<String> {
        let by_its_newer_name = self.reasoning.take().and_then(|reasoning| reasoning.as_str().map(str::to_owned));
        self.reasoning_content.take().or(by_its_newer_name).filter(|reasoning| !reasoning.is_empty())
    }
}

/// A piece of a call; the first one has its name.
#[derive(Deserialize)]
pub struct ToolCallDelta {
    #[serde(default)]
    pub index: usize,
    pub id: Option<String>,
    #[serde(default)]
    pub function: FunctionDelta,
}

#[derive(Default, Deserialize)]
pub struct FunctionDelta {
    pub name: Option<String>,
    pub arguments: Option<String>,
}

#[derive(Default, Deserialize)]
pub struct Logprobs {
    pub content: Option<Vec<TokenLogprob>>,
}

/// `/embeddings`.
#[derive(Deserialize)]
pub struct EmbeddingList {
    pub data: Vec<Embedding>,
    pub usage: Option<Usage>,
}

#[derive(Deserialize)]
pub struct Embedding {
    pub index: usize,
    pub embedding: Vec<f32>,
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
