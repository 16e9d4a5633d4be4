//! What an answer may be besides free text: JSON of a form, calls of functions, probabilities.

use serde::{Deserialize, Serialize};

/// What an answer is made of besides free text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// The answer is JSON of this form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Schema>,
    /// Functions that the model may call instead of answering.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Tools>,
    /// Tell each token's log probability, and those of so many of the likeliest tokens in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<u32>,
}

/// A JSON schema that every token is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    pub schema: serde_json::Value,
    /// Refuse keywords that cannot be enforced, instead of leaving them out of account.
    pub strict: bool,
}

impl Schema {
    /// Any JSON object.
    pub fn any_object() -> Self {
        Self { schema: serde_json::json!({ "type": "object" }), strict: false }
    }
}

/// Functions, and whether one has to be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tools {
    pub functions: Vec<Function>,
    pub choice: ToolChoice,
    /// Whether one answer may call several.
    pub parallel: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A JSON schema of its arguments, which are an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<serde_json::Value>,
    /// As in [`Schema`].
    #[serde(default)]
    pub strict: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// The answer is a call.
    Required,
    /// The answer is a call of this function.
    Named(String),
}

/// A function that the model calls, or called earlier in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Made where the call is, and repeated by the tool's message that answers it.
    pub id: String,
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

/// How likely a token was, before the sampling parameters had their say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text; a part of a character may be a token.
    pub bytes: Vec<u8>,
    pub logprob: f32,
    /// The likeliest tokens in its place, the likeliest first; of these `top` is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}
