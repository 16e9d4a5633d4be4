use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::{Parameters, Question},
    dialect::{
        FunctionDefinition, check_message_count,
        openai::{
            format::{JsonSchema, schema_of},
            message::called,
            tool_choice::{ToolChoiceOption, tools},
        },
        tools::check_count,
    },
    engine::{Output, PromptMessage, Role},
    error::{Error, Result},
};

/// The body of `POST /v1/responses`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ResponseRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    pub input: ResponseInput,
    /// Comes before the input as a system message.
    pub instructions: Option<String>,
    pub stream: Option<bool>,
    /// 0 to 2; 0 gives the same answer every time.
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub max_output_tokens: Option<u32>,
    pub text: Option<ResponseText>,
    pub tools: Option<Vec<ResponseTool>>,
    pub tool_choice: Option<ToolChoiceOption>,
    /// False: call one function at most.
    pub parallel_tool_calls: Option<bool>,

    /// Nothing is kept: only false.
    pub store: Option<bool>,
    /// Not supported, because nothing is kept: send the conversation as `input`.
    pub previous_response_id: Option<String>,
    /// Not supported, because nothing is kept: send the conversation as `input`.
    #[schema(value_type = Option<Object>)]
    pub conversation: Option<Value>,
    /// Not supported: only false.
    pub background: Option<bool>,
    /// Only `disabled`: a conversation that does not fit is refused.
    pub truncation: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or an array of items")]
pub enum ResponseInput {
    Text(String),
    Items(Vec<InputItem>),
}

/// A message, a call of a function (`function_call`) or what it has returned (`function_call_output`).
#[derive(Debug, Deserialize, ToSchema)]
pub struct InputItem {
    /// `message` when left out.
    pub r#type: Option<String>,
    pub role: Option<InputRole>,
    pub content: Option<InputContent>,
    /// Names a call, in the call and in what it has returned.
    pub call_id: Option<String>,
    /// The function that is called.
    pub name: Option<String>,
    /// A JSON object as text.
    pub arguments: Option<String>,
    /// What the function has returned.
    pub output: Option<InputContent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InputRole {
    System,
    Developer,
    User,
    Assistant,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text or an array of content parts")]
pub enum InputContent {
    Text(String),
    Parts(Vec<InputPart>),
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct InputPart {
    /// `input_text` or `output_text`.
    pub r#type: String,
    pub text: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ResponseText {
    pub format: Option<TextFormat>,
}

/// The form of the answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TextFormat {
    /// `text`, `json_object` or `json_schema`.
    pub r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Required by the type `json_schema`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Value>,
    /// Refuse keywords of the schema that cannot be enforced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A function that the model may call; unlike in chat completions its fields stand in the tool itself.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResponseTool {
    /// Only `function` is supported.
    pub r#type: String,
    pub name: Option<String>,
    pub description: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Value>,
    pub strict: Option<bool>,
}

/// What a response repeats of its request.
#[derive(Clone, Debug)]
pub struct Echo {
    pub instructions: Option<String>,
    pub max_output_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub format: Option<TextFormat>,
    pub tools: Vec<ResponseTool>,
    pub parallel_tool_calls: bool,
}

impl ResponseRequest {
    pub fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    pub fn echo(&self) -> Echo {
        Echo {
            instructions: self.instructions.clone(),
            max_output_tokens: self.max_output_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            format: self.text.as_ref().and_then(|text| text.format.clone()),
            tools: self.tools.clone().unwrap_or_default(),
            parallel_tool_calls: self.parallel_tool_calls.unwrap_or(true),
        }
    }

    /// What the engine is asked.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_question(self) -> Result<Question> {
        self.check_supported()?;
        if self.max_output_tokens == Some(0) {
            return Err(Error::invalid("max_output_tokens", "max_output_tokens must be 1 or more"));
        }
        let parameters = Parameters {
            temperature: self.temperature,
            top_p: self.top_p,
            max_tokens: self.max_output_tokens,
            ..Parameters::default()
        };
        parameters.check("")?;
        let messages = self.input.into_messages()?;
        check_message_count(messages.len()).map_err(|error| Error::invalid("input", error.message))?;
        let instructions = self.instructions.map(|instructions| PromptMessage::new(Role::System, instructions));
        let functions = self.tools.unwrap_or_default();
        check_count(functions.len())?;
        let functions = functions.into_iter().enumerate().map(|(index, tool)| tool.into_function(index));
        let format = self.text.and_then(|text| text.format).map(|format| {
            let schema = JsonSchema { schema: format.schema, strict: format.strict };
            schema_of(&format.r#type, schema, "text.format", "text.format.schema")
        });
        let output = Output {
            schema: format.transpose()?.flatten(),
            tools: tools(functions.collect::<Result<_>>()?, self.tool_choice, self.parallel_tool_calls)?,
            logprobs: None,
        };
        let messages: Vec<_> = instructions.into_iter().chain(messages).collect();
        Ok(Question::new(self.model, messages, parameters, output))
    }

    /// Fields that change the answer must not be ignored: a client could not tell that they were.
    fn check_supported(&self) -> Result<()> {
        let unsupported = |param: &str, reason: &str| Err(Error::unsupported(param, format!("{param}: {reason}")));
        if self.previous_response_id.is_some() {
            return unsupported("previous_response_id", "nothing is kept here; send the whole conversation as input");
        }
        if self.conversation.as_ref().is_some_and(|conversation| !conversation.is_null()) {
            return unsupported("conversation", "nothing is kept here; send the whole conversation as input");
        }
        if self.store == Some(true) {
            return unsupported("store", "nothing is kept here; send false or leave it out");
        }
        if self.background == Some(true) {
            return unsupported("background", "a response is written while its client waits; leave it out");
        }
        if self.truncation.as_ref().is_some_and(|truncation| truncation != "disabled") {
            return unsupported("truncation", "a conversation is never shortened here; leave it out");
        }
        Ok(())
    }
}

impl ResponseInput {
    fn into_messages(self) -> Result<Vec<PromptMessage>> {
        let items = match self {
            Self::Text(text) if text.trim().is_empty() => {
                return Err(Error::invalid("input", "input must not be empty"));
            }
            Self::Text(text) => return Ok(vec![PromptMessage::new(Role::User, text)]),
            Self::Items(items) => items,
        };
        let mut messages: Vec<PromptMessage> = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let message = item.into_message(&format!("input[{index}]"))?;
            match messages.last_mut() {
                // What one answer said and called are several items here, and one message to the model.
                Some(last) if last.role == Role::Assistant && !message.tool_calls.is_empty() => {
                    last.tool_calls.extend(message.tool_calls);
                }
                _ => messages.push(message),
            }
        }
        Ok(messages)
    }
}

impl InputItem {
    /// `at` is where the item stands in the request.
    fn into_message(self, at: &str) -> Result<PromptMessage> {
        let missing = |field: &str| Error::invalid(format!("{at}.{field}"), format!("{at}.{field} is required"));
        match self.r#type.as_deref().unwrap_or("message") {
            "message" => {
                let role = match self.role.ok_or_else(|| missing("role"))? {
                    InputRole::System | InputRole::Developer => Role::System,
                    InputRole::User => Role::User,
                    InputRole::Assistant => Role::Assistant,
                };
                let content = self.content.ok_or_else(|| missing("content"))?.into_text(&format!("{at}.content"))?;
                if role == Role::User && content.trim().is_empty() {
                    return Err(Error::invalid(format!("{at}.content"), format!("{at}.content must not be empty")));
                }
                Ok(PromptMessage::new(role, content))
            }
            "function_call" => {
                let id = self.call_id.ok_or_else(|| missing("call_id"))?;
                let name = self.name.ok_or_else(|| missing("name"))?;
                let call = called(id, name, self.arguments.unwrap_or_default(), &format!("{at}.arguments"))?;
                Ok(PromptMessage { tool_calls: vec![call], ..PromptMessage::new(Role::Assistant, "") })
            }
            "function_call_output" => {
                let id = self.call_id.ok_or_else(|| missing("call_id"))?;
                let output = self.output.ok_or_else(|| missing("output"))?.into_text(&format!("{at}.output"))?;
                Ok(PromptMessage { tool_call_id: Some(id), ..PromptMessage::new(Role::Tool, output) })
            }
            _ => {
                let at = format!("{at}.type");
                let message = format!("{at} must be message, function_call or function_call_output");
                Err(Error::unsupported(at, message))
            }
        }
    }
}

impl InputContent {
    fn into_text(self, at: &str) -> Result<String> {
        let parts = match self {
            Self::Text(text) => return Ok(text),
            Self::Parts(parts) => parts,
        };
        let texts = parts.into_iter().enumerate().map(|(index, part)| match (part.r#type.as_str(), part.text) {
            ("input_text" | "output_text" | "text", Some(text)) => Ok(text),
            ("input_text" | "output_text" | "text", None) => {
                Err(Error::invalid(format!("{at}[{index}].text"), "a text part must have a text"))
            }
            (_, _) => Err(Error::unsupported(format!("{at}[{index}]"), "only parts of text are supported")),
        });
        texts.collect()
    }
}

impl ResponseTool {
    fn into_function(self, index: usize) -> Result<crate::engine::Function> {
        let at = format!("tools[{index}]");
        match (self.r#type.as_str(), self.name) {
            ("function", Some(name)) => {
                let Self { description, parameters, strict, .. } = self;
                FunctionDefinition { name, description, parameters, strict }.checked(&at)
            }
            ("function", None) => Err(Error::invalid(format!("{at}.name"), format!("{at}.name is required"))),
            (_, _) => {
                let at = format!("{at}.type");
                Err(Error::unsupported(at.clone(), format!("{at}: only tools of type function are supported")))
            }
        }
    }
}
