use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::Parameters,
    dialect::{OneOrMany, check_message_count, unsupported},
    engine::{PromptMessage, Role},
    error::{Error, Result},
};

/// The body of `POST /v1/chat/completions`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatCompletionRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    pub messages: Vec<ChatCompletionMessage>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,

    /// 0 to 2; 0 gives the same answer every time.
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<i32>,
    pub min_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    /// -1 draws a new one.
    pub seed: Option<i64>,
    /// The newer name of `max_tokens`; it wins where both are set.
    pub max_completion_tokens: Option<u32>,
    pub max_tokens: Option<u32>,
    pub stop: Option<OneOrMany>,

    /// Only 1 is supported.
    pub n: Option<i64>,
    /// Not supported: only false.
    pub logprobs: Option<bool>,
    /// Not supported: only 0.
    pub top_logprobs: Option<i64>,
    /// Not supported: only empty.
    #[schema(value_type = Option<Object>)]
    pub logit_bias: Option<serde_json::Map<String, Value>>,
    /// Only plain text is supported.
    pub response_format: Option<ResponseFormat>,
    /// Only `text` is supported.
    pub modalities: Option<Vec<String>>,
    /// Not supported yet: only empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub tools: Option<Vec<Value>>,
    /// Not supported yet: only `auto` and `none`.
    #[schema(value_type = Option<String>)]
    pub tool_choice: Option<Value>,
    /// Not supported: only empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub functions: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatCompletionMessage {
    pub role: ChatCompletionRole,
    pub content: Option<Content>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatCompletionRole {
    System,
    /// The newer name of `system`.
    Developer,
    User,
    Assistant,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or an array of content parts")]
pub enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ContentPart {
    /// Only `text` is supported.
    pub r#type: String,
    pub text: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Send one more chunk with the token counts before the end.
    pub include_usage: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ResponseFormat {
    /// Only `text` is supported.
    pub r#type: String,
}

impl ChatCompletionRequest {
    pub fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    pub fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage) == Some(true)
    }

    /// What the engine is asked.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_prompt(self) -> Result<(Vec<PromptMessage>, Parameters)> {
        self.check_supported()?;
        let parameters = self.parameters()?;
        check_message_count(self.messages.len())?;
        let messages = self.messages.into_iter().enumerate();
        let messages = messages.map(|(index, message)| message.into_prompt(index)).collect::<Result<_>>()?;
        Ok((messages, parameters))
    }

    /// Fields that change the answer must not be ignored: a client could not tell that they were.
    fn check_supported(&self) -> Result<()> {
        let filled = |values: &Option<Vec<Value>>| values.as_ref().is_some_and(|values| !values.is_empty());
        match self.n {
            Some(..=0) => return Err(Error::invalid("n", "n must be 1")),
            Some(2..) => return Err(unsupported("n", "only one answer at a time is supported: leave out n")),
            _ => {}
        }
        if self.logprobs == Some(true) || self.top_logprobs.is_some_and(|count| count != 0) {
            return Err(unsupported("logprobs", "log probabilities are not supported: leave out logprobs"));
        }
        if self.logit_bias.as_ref().is_some_and(|biases| !biases.is_empty()) {
            return Err(unsupported("logit_bias", "logit_bias is not supported: leave it out"));
        }
        if self.response_format.as_ref().is_some_and(|format| format.r#type != "text") {
            let message = "only plain text answers are supported yet: leave out response_format";
            return Err(unsupported("response_format", message));
        }
        if self.modalities.as_ref().is_some_and(|modalities| modalities.iter().any(|modality| modality != "text")) {
            return Err(unsupported("modalities", "only text answers are supported: leave out modalities"));
        }
        if filled(&self.tools) {
            return Err(unsupported("tools", "tools are not supported yet: leave out tools"));
        }
        if filled(&self.functions) {
            return Err(unsupported("functions", "functions are not supported: leave out functions"));
        }
        match &self.tool_choice {
            None => Ok(()),
            Some(Value::String(choice)) if choice == "auto" || choice == "none" => Ok(()),
            Some(_) => Err(unsupported("tool_choice", "tools are not supported yet: leave out tool_choice")),
        }
    }

    fn parameters(&self) -> Result<Parameters> {
        if self.max_completion_tokens == Some(0) {
            return Err(Error::invalid("max_completion_tokens", "max_completion_tokens must be 1 or more"));
        }
        let parameters = Parameters {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            // Seeds may have 64 bits or be negative here; the same seed stays the same, which is all that it promises.
            seed: self.seed.filter(|seed| *seed != -1).map(|seed| seed as u32),
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            repeat_penalty: self.repeat_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            stop: self.stop.clone().map(Vec::from),
        };
        parameters.check("")?;
        Ok(parameters)
    }
}

impl ChatCompletionMessage {
    fn into_prompt(self, index: usize) -> Result<PromptMessage> {
        let at = format!("messages[{index}].content");
        let role = match self.role {
            ChatCompletionRole::System | ChatCompletionRole::Developer => Role::System,
            ChatCompletionRole::User => Role::User,
            ChatCompletionRole::Assistant => Role::Assistant,
        };
        let content = match self.content {
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => text_of(parts, &at)?,
            None => return Err(Error::invalid(at, "content must be a text: tool calls are not supported yet")),
        };
        if role == Role::User && content.trim().is_empty() {
            return Err(Error::invalid(at, "content must not be empty"));
        }
        Ok(PromptMessage { role, content })
    }
}

fn text_of(parts: Vec<ContentPart>, at: &str) -> Result<String> {
    let texts = parts.into_iter().enumerate().map(|(index, part)| match (part.r#type.as_str(), part.text) {
        ("text", Some(text)) => Ok(text),
        ("text", None) => Err(Error::invalid(format!("{at}[{index}].text"), "a text part must have a text")),
        (_, _) => Err(Error::invalid(format!("{at}[{index}]"), "only parts of type text are supported")),
    });
    texts.collect()
}
