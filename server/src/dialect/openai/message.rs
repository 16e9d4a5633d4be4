use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    engine::{PromptMessage, Role, ToolCall},
    error::{Error, Result},
};

#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatCompletionMessage {
    pub role: ChatCompletionRole,
    /// An assistant's message that calls tools needs none.
    pub content: Option<Content>,
    /// Only in an assistant's message.
    pub tool_calls: Option<Vec<CalledTool>>,
    /// Only in a tool's message, and required there: the id of the call that it answers.
    pub tool_call_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatCompletionRole {
    System,
    /// The newer name of `system`.
    Developer,
    User,
    Assistant,
    Tool,
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

/// A call that the assistant made earlier.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CalledTool {
    pub id: String,
    pub function: CalledFunction,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct CalledFunction {
    pub name: String,
    /// A JSON object as text.
    pub arguments: String,
}

impl ChatCompletionMessage {
    /// The message number `index` of the request.
    pub fn into_prompt(self, index: usize) -> Result<PromptMessage> {
        let at = |field: &str| format!("messages[{index}].{field}");
        let role = match self.role {
            ChatCompletionRole::System | ChatCompletionRole::Developer => Role::System,
            ChatCompletionRole::User => Role::User,
            ChatCompletionRole::Assistant => Role::Assistant,
            ChatCompletionRole::Tool => Role::Tool,
        };
        let calls = match role {
            Role::Assistant => self.tool_calls.unwrap_or_default(),
            _ => Vec::new(),
        };
        let content = match self.content {
            Some(content) => content.into_text(&at("content"))?,
            None if !calls.is_empty() => String::new(),
            None => return Err(Error::invalid(at("content"), "content must be a text")),
        };
        if role == Role::User && content.trim().is_empty() {
            return Err(Error::invalid(at("content"), "content must not be empty"));
        }
        let tool_call_id = match (role, self.tool_call_id) {
            (Role::Tool, Some(id)) => Some(id),
            (Role::Tool, None) => {
                return Err(Error::invalid(at("tool_call_id"), "a tool's message must name the call that it answers"));
            }
            _ => None,
        };
        let calls = calls.into_iter().enumerate();
        let tool_calls =
            calls.map(|(call, called)| called.into_call(&at(&format!("tool_calls[{call}]")))).collect::<Result<_>>()?;
        Ok(PromptMessage { tool_calls, tool_call_id, ..PromptMessage::new(role, content) })
    }
}

impl Content {
    /// The parts put together; `at` is where they stand in the request.
    fn into_text(self, at: &str) -> Result<String> {
        let parts = match self {
            Self::Text(text) => return Ok(text),
            Self::Parts(parts) => parts,
        };
        let texts = parts.into_iter().enumerate().map(|(index, part)| match (part.r#type.as_str(), part.text) {
            ("text", Some(text)) => Ok(text),
            ("text", None) => Err(Error::invalid(format!("{at}[{index}].text"), "a text part must have a text")),
            (_, _) => Err(Error::invalid(format!("{at}[{index}]"), "only parts of type text are supported")),
        });
        texts.collect()
    }
}

impl CalledTool {
    fn into_call(self, at: &str) -> Result<ToolCall> {
        called(self.id, self.function.name, self.function.arguments, &format!("{at}.function.arguments"))
    }
}

/// A call out of a request; `at` is where its arguments stand there.
pub fn called(id: String, name: String, arguments: String, at: &str) -> Result<ToolCall> {
    // Clients send back what a model wrote, and some write nothing where a function has no parameters.
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&arguments) {
        Ok(_) => Ok(ToolCall { id, name, arguments }),
        Err(_) => Err(Error::invalid(at, format!("{at} must be a JSON object as text"))),
    }
}
