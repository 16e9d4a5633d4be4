//! The JSON that OpenAI-compatible servers and Ollama have in common.

use serde::{Deserialize, Serialize};

use crate::engine::{self, Function, Output};

/// A function that the model may call.
#[derive(Serialize)]
pub struct Tool<'a> {
    r#type: &'static str,
    function: &'a Function,
}

impl<'a> Tool<'a> {
    /// All that the answer may call.
    pub fn offered(output: &'a Output) -> Vec<Self> {
        let functions = output.tools.iter().flat_map(|tools| &tools.functions);
        functions.map(|function| Self { r#type: "function", function }).collect()
    }
}

/// How likely a token was.
#[derive(Debug, Deserialize)]
pub struct TokenLogprob {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
    #[serde(default)]
    top_logprobs: Vec<TokenLogprob>,
}

impl From<TokenLogprob> for engine::TokenLogprob {
    fn from(token: TokenLogprob) -> Self {
        Self {
            bytes: token.bytes.unwrap_or_else(|| token.token.into_bytes()),
            logprob: token.logprob,
            top: token.top_logprobs.into_iter().map(Self::from).collect(),
        }
    }
}
