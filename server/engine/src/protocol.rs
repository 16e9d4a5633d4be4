//! The line protocol between the server and an engine process: one JSON object a line.
//!
//! The server writes [`Command`]s to the engine's stdin and reads [`Event`]s from its stdout. stderr is log lines.
//! One process serves one model: the first command is `load`, and everything else is refused until it is answered.
//! End of file on stdin means that the server is gone; the engine then exits at once, so no orphan outlives it.

mod output;

use serde::{Deserialize, Serialize};

pub use self::output::{Function, Output, Schema, TokenLogprob, ToolCall, ToolChoice, Tools};

/// What the server asks for. `id` is chosen by the server and names the request in every event that answers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a command is read, carried out and dropped; there is never a heap of them"
)]
pub enum Command {
    /// Load a GGUF file. Answered by `loaded` or `error`.
    Load {
        id: String,
        /// Path of the GGUF file.
        path: String,
        options: LoadOptions,
    },
    /// Generate an answer. Answered by any number of `text` events and then exactly one `done` or `error`.
    Generate {
        id: String,
        #[serde(flatten)]
        prompt: Prompt,
        /// The beginning of the answer, when another process has made it and was interrupted. The answer goes on behind it;
        /// `max_tokens`, the penalties and the usage count it as a part of the answer.
        #[serde(default, skip_serializing_if = "Piece::is_empty")]
        answer_so_far: Piece,
        #[serde(default)]
        params: Sampling,
        #[serde(default)]
        output: Output,
    },
    /// Make one vector of each text. Answered by `embedded` or `error`.
    Embed {
        id: String,
        texts: Vec<EmbedText>,
        /// Cut off what does not fit the context, instead of refusing the text.
        truncate: bool,
    },
    /// Count the tokens of a prompt after the chat template was applied. Answered by `counted` or `error`.
    Count {
        id: String,
        #[serde(flatten)]
        prompt: Prompt,
    },
    /// Stop the request `id` within one step. A generation ends with `done` and the finish reason `cancelled`; an embedding
    /// just ends. For an id that is unknown or already finished nothing happens.
    Cancel { id: String },
}

/// How a model is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOptions {
    /// How many chats decode together in one batch.
    pub slots: u32,
    /// Tokens that one chat may hold, prompt and answer together; capped by what the model was trained for.
    pub context_length: u32,
    /// Threads that llama.cpp computes with.
    pub threads: u32,
    /// Layers that a GPU computes, in a build for one; `None` is all of them.
    pub gpu_layers: Option<u32>,
    /// MiB of memory for the beginnings of prompts that no slot holds any more; 0 keeps none.
    pub prefix_memory: u32,
    /// Tokens of an answer that are guessed at most and computed with the one before them, where one or two chats decode;
    /// 0 guesses none.
    pub guess_tokens: u32,
}

/// Either a conversation, rendered with the model's own chat template, or a text that is taken as it is.
///
/// A conversation that ends with an assistant message is continued in the middle of that message. In a text, special
/// tokens such as `<|im_end|>` have their meaning; in a message they are plain text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    Messages(Vec<PromptMessage>),
    #[serde(rename = "prompt")]
    Text(String),
}

impl Prompt {
    /// Those of a conversation; a text has none.
    pub fn messages(&self) -> &[PromptMessage] {
        match self {
            Self::Messages(messages) => messages,
            Self::Text(_) => &[],
        }
    }
}

impl From<Vec<PromptMessage>> for Prompt {
    fn from(messages: Vec<PromptMessage>) -> Self {
        Self::Messages(messages)
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A text to make a vector of, or its tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbedText {
    Text(String),
    Tokens(Vec<u32>),
}

/// One message of a conversation as the chat template sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptMessage {
    pub role: Role,
    pub content: String,
    /// The functions that the assistant called in this message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// In a tool's message: the id of the call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl PromptMessage {
    /// A message of text alone.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: Vec::new(), tool_call_id: None }
    }
}

/// A part of an answer: its text, and the tokens that it was made of.
///
/// Text that is tokenised again often gives other tokens, from which the model goes on differently. So what is continued
/// is told by its tokens, and the text says what has been given out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub text: String,
    /// llama.cpp's numbers. They may be ahead of the text: a part of it is held back while it could become a stop string or
    /// is no whole character yet.
    pub tokens: Vec<i32>,
}

impl Piece {
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.tokens.is_empty()
    }

    /// Adds what came next.
    pub fn push(&mut self, next: &Self) {
        self.text.push_str(&next.text);
        self.tokens.extend_from_slice(&next.tokens);
    }
}

/// Text of an engine that does not tell its tokens.
impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self { text, tokens: Vec::new() }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
    /// What a function that the assistant called has returned.
    Tool,
}

/// How the next token is chosen. Fields that are left out take llama.cpp's usual defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 picks the likeliest token every time. The same prompt then gets the same answer, except where two tokens are
    /// as good as equally likely: the order in which llama.cpp sums, and so rounds, depends on where its cache has room.
    pub temperature: f32,
    pub top_p: f32,
    /// 0 turns it off.
    pub top_k: i32,
    pub min_p: f32,
    /// What the draws begin with; `None` draws a new seed for each request. The n-th token takes the n-th draw, in an
    /// answer that is continued too.
    pub seed: Option<u32>,
    /// Generation ends before the first of these strings; they are not part of the answer.
    pub stop: Vec<String>,
    /// `None` generates until the model ends its turn or the context is full.
    pub max_tokens: Option<u32>,
    /// 1.0 turns it off.
    pub repeat_penalty: f32,
    pub frequency_penalty: f32,
    pub presence_penalty: f32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_p: 0.95,
            top_k: 40,
            min_p: 0.05,
            seed: None,
            stop: Vec::new(),
            max_tokens: None,
            repeat_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
        }
    }
}

/// What the fields of [`Sampling`] may be. The server refuses the rest by the request's field, the engine as a last check.
pub mod limits {
    use std::ops::RangeInclusive;

    pub const TEMPERATURE: RangeInclusive<f32> = 0.0..=2.0;
    pub const TOP_P: RangeInclusive<f32> = 0.0..=1.0;
    pub const MIN_P: RangeInclusive<f32> = 0.0..=1.0;
    /// llama.cpp divides by it, so it is never 0.
    pub const REPEAT_PENALTY: RangeInclusive<f32> = 0.01..=2.0;
    pub const FREQUENCY_PENALTY: RangeInclusive<f32> = -2.0..=2.0;
    pub const PRESENCE_PENALTY: RangeInclusive<f32> = -2.0..=2.0;
    pub const STOPS: usize = 8;
    pub const STOP_BYTES: usize = 64;
    /// Likeliest tokens that can be told beside each token.
    pub const LOGPROBS: u32 = 20;

    /// Whether these can be the stop strings of a request.
    pub fn are_stops(stops: &[String]) -> bool {
        stops.len() <= STOPS && stops.iter().all(|stop| (1..=STOP_BYTES).contains(&stop.len()))
    }
}

/// What the engine answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Loaded {
        id: String,
        model: ModelFacts,
    },
    /// A piece of the answer, always whole UTF-8.
    Text {
        id: String,
        text: String,
        /// The tokens that were generated since the event before, by llama.cpp's numbers.
        tokens: Vec<i32>,
    },
    /// The tokens of the text that comes next, where log probabilities were asked for.
    Logprobs {
        id: String,
        tokens: Vec<TokenLogprob>,
    },
    /// A whole call of a function.
    ToolCall {
        id: String,
        name: String,
        /// A JSON object as text.
        arguments: String,
    },
    Done {
        id: String,
        finish_reason: FinishReason,
        usage: Usage,
        timings: Timings,
        /// How many of the answer's tokens were guessed, and so computed with the ones before them.
        guessed: u32,
    },
    Counted {
        id: String,
        tokens: u32,
    },
    Embedded {
        id: String,
        /// One of length 1 for each text, in order.
        vectors: Vec<Vec<f32>>,
        /// Of all texts together.
        tokens: u32,
    },
    Error {
        id: String,
        code: ErrorCode,
        /// One sentence for a person: what is wrong and what to do.
        message: String,
    },
}

impl Event {
    /// `message` names what cannot be used.
    pub(crate) fn invalid(id: String, message: String) -> Self {
        Self::Error { id, code: ErrorCode::InvalidRequest, message }
    }
}

/// Read from the GGUF's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// llama.cpp's name of the architecture, for example `llama`.
    pub architecture: String,
    /// For example `Q4_1`.
    pub quantization: String,
    pub parameters: u64,
    /// Tokens that one chat may hold in this process.
    pub context_length: u32,
    /// Tokens that the model was trained for.
    pub trained_context_length: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string was met.
    Stop,
    /// `max_tokens` or the context length was reached.
    Length,
    Cancelled,
}

/// Exact token counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    /// The part of `prompt_tokens` that was still in the cache and was not computed again.
    pub cached_tokens: u32,
    pub completion_tokens: u32,
}

/// Where the time went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the arrival of the request to its first turn in a batch.
    pub queued_ms: f64,
    /// From then to the first token.
    pub prefill_ms: f64,
    /// From the first token to the last.
    pub decode_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The prompt alone does not fit the context.
    ContextLengthExceeded,
    /// A value that cannot be used; the message names it.
    InvalidRequest,
    /// The schema of the answer cannot be enforced; the message says why.
    SchemaUnusable,
    /// The same of a function's arguments.
    ToolsUnusable,
    /// The model was not made to call functions.
    ToolsUnsupported,
    /// The file is missing, damaged, or of a kind that llama.cpp cannot run.
    ModelUnusable,
    /// Anything else; details are in the log.
    Internal,
}
