use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    keep_alive::KeepAlive,
    options::{ChatOptions, check_images, schema},
};
use crate::{
    chat::{Question, Trim},
    dialect::{ToolDefinition, check_message_count, logprobs::logprobs, tools::functions},
    engine::{self, Output, PromptMessage, Role, Think, ToolCall, ToolChoice, Tools},
    error::{Error, Result},
};

/// The body of `POST /api/chat`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    /// With none nothing is written: the model is loaded, or unloaded with a `keep_alive` of 0.
    pub messages: Vec<ChatMessage>,
    /// Unlike Ollama, an answer is streamed only when this is true.
    pub stream: Option<bool>,
    pub options: Option<ChatOptions>,
    /// False: fail when the conversation does not fit, instead of leaving out its oldest messages.
    pub truncate: Option<bool>,
    /// Functions that the model may call.
    pub tools: Option<Vec<ToolDefinition>>,
    /// `json`, or a JSON schema that the answer is held to.
    pub format: Option<Value>,
    /// Tell how likely each token was.
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens to tell in the place of each, 0 to 20.
    pub top_logprobs: Option<i64>,
    /// From now on, if callers may load and unload models; without one it stays as it is, at first the server's KEEP_ALIVE.
    /// Where nothing is asked, 0 takes the model out of memory at once.
    pub keep_alive: Option<KeepAlive>,
    /// Think before the answer. Only an Ollama behind this server can be asked to; elsewhere only false.
    pub think: Option<Think>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant` or `tool`.
    #[schema(value_type = String)]
    pub role: Role,
    /// An assistant's message that calls tools needs none.
    pub content: Option<String>,
    /// Only in an assistant's message.
    pub tool_calls: Option<Vec<MessageToolCall>>,
    /// Not supported yet: only empty.
    pub images: Option<Vec<String>>,
}

/// A call that the assistant made earlier. The messages of tools after it answer its calls in their order.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MessageToolCall {
    pub function: MessageFunctionCall,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct MessageFunctionCall {
    pub name: String,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub arguments: serde_json::Map<String, Value>,
}

impl ChatRequest {
    pub fn trim(&self) -> Trim {
        if self.truncate == Some(false) { Trim::Never } else { Trim::Oldest }
    }

    /// How long the model is to stay in memory, if the request says so.
    ///
    /// # Errors
    /// 400 for a `keep_alive` that is no duration.
    pub fn keep_alive(&self) -> Result<Option<engine::KeepAlive>> {
        KeepAlive::read(self.keep_alive.as_ref())
    }

    /// What the engine is asked, if anything.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_question(self) -> Result<Option<Question>> {
        let parameters = self.options.unwrap_or_default().into_parameters()?;
        let asks = !self.messages.is_empty();
        if asks {
            check_message_count(self.messages.len())?;
        }
        let mut unanswered = VecDeque::new();
        let messages = self.messages.into_iter().enumerate();
        let messages =
            messages.map(|(index, message)| message.into_prompt(index, &mut unanswered)).collect::<Result<Vec<_>>>()?;
        let functions = functions(self.tools.unwrap_or_default())?;
        let tools = Tools { functions, choice: ToolChoice::Auto, parallel: true };
        let output = Output {
            schema: schema(self.format)?,
            tools: Some(tools).filter(|tools| !tools.functions.is_empty()),
            logprobs: logprobs(self.logprobs == Some(true), self.top_logprobs, "top_logprobs")?,
        };
        let think = self.think;
        Ok(asks.then(|| Question { think, ..Question::new(self.model, messages, parameters, output) }))
    }
}

impl ChatMessage {
    /// The message number `index` of the request. `unanswered` are the ids of earlier calls that no tool's message has
    /// answered yet: on this wire calls have none, so they get theirs here.
    fn into_prompt(self, index: usize, unanswered: &mut VecDeque<String>) -> Result<PromptMessage> {
        check_images(self.images.as_ref(), &format!("messages[{index}].images"))?;
        let calls = match self.role {
            Role::Assistant => self.tool_calls.unwrap_or_default(),
            _ => Vec::new(),
        };
        let at = format!("messages[{index}].content");
        let content = match self.content {
            Some(content) => content,
            None if !calls.is_empty() => String::new(),
            None => return Err(Error::invalid(at.clone(), format!("{at} is required"))),
        };
        if self.role == Role::User && content.trim().is_empty() {
            return Err(Error::invalid(at.clone(), format!("{at} must not be empty")));
        }
        let tool_calls = calls.into_iter().enumerate().map(|(number, MessageToolCall { function })| ToolCall {
            id: format!("call_{index}_{number}"),
            name: function.name,
            arguments: Value::Object(function.arguments).to_string(),
        });
        let tool_calls: Vec<_> = tool_calls.collect();
        unanswered.extend(tool_calls.iter().map(|call| call.id.clone()));
        let tool_call_id = (self.role == Role::Tool).then(|| unanswered.pop_front().unwrap_or_default());
        Ok(PromptMessage { tool_calls, tool_call_id, ..PromptMessage::new(self.role, content) })
    }
}
