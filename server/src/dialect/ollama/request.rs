use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::{Parameters, Trim},
    dialect::{OneOrMany, check_message_count, unsupported},
    engine::{PromptMessage, Role},
    error::{Error, Result},
};

/// The body of `POST /api/chat`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    pub messages: Vec<ChatMessage>,
    /// Unlike Ollama, an answer is streamed only when this is true.
    pub stream: Option<bool>,
    pub options: Option<ChatOptions>,
    /// False: fail when the conversation does not fit, instead of leaving out its oldest messages.
    pub truncate: Option<bool>,

    /// Not supported yet: only empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub tools: Option<Vec<Value>>,
    /// Not supported yet: only empty.
    #[schema(value_type = Option<String>)]
    pub format: Option<Value>,
    /// Not supported yet: only false.
    #[schema(value_type = Option<bool>)]
    pub think: Option<Value>,
    /// Not supported: only false.
    pub logprobs: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatMessage {
    #[schema(value_type = String)]
    pub role: Role,
    pub content: String,
    /// Not supported yet: only empty.
    pub images: Option<Vec<String>>,
}

/// Sampling under Ollama's names.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ChatOptions {
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
    /// The most tokens of the answer; -1 and -2 set no limit.
    pub num_predict: Option<i64>,
    pub stop: Option<OneOrMany>,
}

impl ChatRequest {
    pub fn trim(&self) -> Trim {
        if self.truncate == Some(false) { Trim::Never } else { Trim::Oldest }
    }

    /// What the engine is asked.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_prompt(self) -> Result<(Vec<PromptMessage>, Parameters)> {
        self.check_supported()?;
        let parameters = self.options.unwrap_or_default().into_parameters()?;
        check_message_count(self.messages.len())?;
        let messages = self.messages.into_iter().enumerate();
        let messages = messages.map(|(index, message)| message.into_prompt(index)).collect::<Result<_>>()?;
        Ok((messages, parameters))
    }

    /// Fields that change the answer must not be ignored: a client could not tell that they were.
    fn check_supported(&self) -> Result<()> {
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return Err(unsupported("tools", "tools are not supported yet: leave out tools"));
        }
        if self.format.as_ref().is_some_and(|format| format != "") {
            return Err(unsupported("format", "only plain text answers are supported yet: leave out format"));
        }
        if self.think.as_ref().is_some_and(|think| think != false) {
            return Err(unsupported("think", "thinking is not supported yet: leave out think"));
        }
        if self.logprobs == Some(true) {
            return Err(unsupported("logprobs", "log probabilities are not supported: leave out logprobs"));
        }
        Ok(())
    }
}

impl ChatMessage {
    fn into_prompt(self, index: usize) -> Result<PromptMessage> {
        if self.images.as_ref().is_some_and(|images| !images.is_empty()) {
            let at = format!("messages[{index}].images");
            return Err(unsupported(at.clone(), format!("{at}: images are not supported yet")));
        }
        if self.role == Role::User && self.content.trim().is_empty() {
            let at = format!("messages[{index}].content");
            return Err(Error::invalid(at.clone(), format!("{at} must not be empty")));
        }
        Ok(PromptMessage { role: self.role, content: self.content })
    }
}

impl ChatOptions {
    fn into_parameters(self) -> Result<Parameters> {
        let max_tokens = match self.num_predict {
            None | Some(-2 | -1) => None,
            Some(count) => Some(u32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
                Error::invalid("options.num_predict", "options.num_predict must be 1 or more, or -1 for no limit")
            })?),
        };
        let parameters = Parameters {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            // Seeds may have 64 bits or be negative here; the same seed stays the same, which is all that it promises.
            seed: self.seed.filter(|seed| *seed != -1).map(|seed| seed as u32),
            max_tokens,
            repeat_penalty: self.repeat_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            stop: self.stop.map(Vec::from),
        };
        parameters.check("options.")?;
        Ok(parameters)
    }
}
