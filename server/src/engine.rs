//! What answers a chat. One trait, one file for each kind of engine; [`connect`] picks by configuration.
//!
//! An engine knows models, messages and sampling. It knows no HTTP dialect of ours, no conversation and no database.

mod local;
mod ollama;
mod openai;
mod pool;
mod scripted;
mod timeout;
mod upstream;

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytesize::ByteSize;
use chrono::{DateTime, Utc};
pub use flotilla_engine::protocol::{
    EmbedText, FinishReason, Function, Output, Piece, Prompt, PromptMessage, Role, Schema, Timings, TokenLogprob,
    ToolCall, ToolChoice, Tools, Usage,
};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use self::pool::Address;
pub use self::{
    local::{EngineCommand, Local, MemoryUse, run_engine_process},
    ollama::Ollama,
    openai::OpenAi,
    pool::{BreakerState, ChosenBy, Place, Pool, PoolStatus, ReplicaStatus},
    scripted::{Scripted, Step},
    timeout::with_timeouts,
};
use crate::{
    chat::Parameters,
    config::Config,
    models::{Digest, full_name},
};

/// Something that runs models.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The models that can be asked for, the default first.
    async fn models(&self) -> Result<Vec<Model>, EngineError>;

    /// Whether a chat with this model would be answered now.
    async fn ready(&self, model: &str) -> Result<(), EngineError>;

    /// Tokens of the prompt after the chat template, and the most that one chat may hold;
    /// `None` when the engine cannot say before it runs.
    async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError>;

    /// Start an answer. Dropping the stream cancels it.
    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError>;

    /// Make one vector of each text.
    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        let _ = request;
        Err(EngineError::Unsupported { param: "input", reason: "this engine makes no vectors" })
    }

    /// Bring a model into memory, and wait until it is there. `None` leaves it as it is how long the model stays.
    async fn load(&self, _model: &str, _keep_alive: Option<KeepAlive>) -> Result<(), EngineError> {
        Err(EngineError::KeptElsewhere)
    }

    /// Take a model out of memory, unless it is answering.
    async fn unload(&self, _model: &str) -> Result<(), EngineError> {
        Err(EngineError::KeptElsewhere)
    }

    /// Delete an installed model, unless it is answering.
    async fn delete(&self, _model: &str) -> Result<(), EngineError> {
        Err(EngineError::KeptElsewhere)
    }

    /// What its models take of the memory, where it keeps them itself.
    fn memory(&self) -> Option<MemoryUse> {
        None
    }

    /// Stop child processes, if there are any. After this, `chat` fails.
    async fn shutdown(&self) {}

    /// An answer of this model has fallen silent: a process of the engine's own that does nothing any more is ended, so that the
    /// next answer finds another one.
    async fn end_if_hung(&self, _model: &str) {}

    /// The replicas behind it, where there are some.
    fn pool(&self) -> Option<&Pool> {
        None
    }
}

/// A prompt with everything that shapes its answer. The prompt fits or the engine says that it does not;
/// it is never cut silently.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    pub model: String,
    /// A conversation, or a text that is continued without a chat template.
    pub prompt: Prompt,
    pub parameters: Parameters,
    pub output: Output,
    /// Where the draws begin when the parameters name no seed. It makes an answer that is asked for again the same answer,
    /// on engines that tell their tokens; others draw by themselves.
    pub default_seed: u32,
    /// The beginning of an answer that broke off; what comes is what follows it. It is empty for a new answer. Calls of
    /// functions that stand behind its text come once more.
    pub answer_so_far: Piece,
    /// `None` leaves it to the model.
    pub think: Option<Think>,
    /// From now on, for all requests; `None` leaves it as it is.
    pub keep_alive: Option<KeepAlive>,
    /// An engine that counts ends a cancelled answer with [`Delta::Done`] and [`FinishReason::Cancelled`]; others just end.
    pub cancel: CancellationToken,
}

impl ChatRequest {
    /// A new answer.
    pub fn new(model: impl Into<String>, prompt: impl Into<Prompt>, parameters: Parameters) -> Self {
        Self {
            model: model.into(),
            prompt: prompt.into(),
            parameters,
            output: Output::default(),
            default_seed: seed_of(Uuid::now_v7()),
            answer_so_far: Piece::default(),
            think: None,
            keep_alive: None,
            cancel: CancellationToken::new(),
        }
    }

    /// For an engine that has no switch for it.
    ///
    /// # Errors
    /// When the model is to think.
    fn refuse_thinking(&self) -> Result<(), EngineError> {
        match self.think {
            None | Some(Think::Switch(false)) => Ok(()),
            Some(_) => {
                let reason = "this engine cannot be asked to think before it answers; leave it out";
                Err(EngineError::Unsupported { param: "think", reason })
            }
        }
    }

    /// The prompt for an engine that goes on at the end of a text, or in the middle of a last message of the assistant.
    fn prompt_and_answer(&self) -> Cow<'_, Prompt> {
        if self.answer_so_far.is_empty() {
            return Cow::Borrowed(&self.prompt);
        }
        let (mut prompt, answer) = (self.prompt.clone(), &self.answer_so_far.text);
        match &mut prompt {
            Prompt::Text(text) => text.push_str(answer),
            Prompt::Messages(messages) => match messages.last_mut() {
                Some(last) if last.role == Role::Assistant => last.content.push_str(answer),
                _ => messages.push(PromptMessage::new(Role::Assistant, answer)),
            },
        }
        Cow::Owned(prompt)
    }
}

/// Whether a model thinks before it answers, or how much, in Ollama's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected true, false, `low`, `medium` or `high`")]
pub enum Think {
    Switch(bool),
    Effort(Effort),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    Low,
    Medium,
    High,
}

/// The seed of an answer with this id: a version 7's last bits are random, and whoever knows the id knows the seed.
pub fn seed_of(id: Uuid) -> u32 {
    id.as_u128() as u32
}

/// Texts of which vectors are to be made.
#[derive(Clone, Debug)]
pub struct EmbedRequest {
    pub model: String,
    pub texts: Vec<EmbedText>,
    /// Cut off what does not fit the context, instead of refusing the text.
    pub truncate: bool,
    /// As in a chat.
    pub keep_alive: Option<KeepAlive>,
}

/// How long a model stays in memory after its last answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    For(Duration),
    Forever,
}

impl KeepAlive {
    pub const AT_ONCE: Self = Self::For(Duration::ZERO);
}

/// One vector of length 1 for each text, in order, and how many tokens all texts had together.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    pub vectors: Vec<Vec<f32>>,
    pub tokens: u32,
}

/// The pieces of one answer; the last item is [`Delta::Done`] or an error.
pub type ChatStream = BoxStream<'static, Result<Delta, EngineError>>;

#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Thoughts, which are no part of the answer. Only model servers behind this one tell them apart from it.
    Reasoning(String),
    Text(Piece),
    /// The tokens of the text that comes next, where log probabilities were asked for.
    Logprobs(Vec<TokenLogprob>),
    /// A whole call of a function.
    ToolCall(ToolCall),
    Done(Completion),
}

/// How an answer ended and what it cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completion {
    pub finish_reason: FinishReason,
    pub usage: Usage,
    pub timings: Timings,
}

impl Completion {
    /// Decoding speed. The first token belongs to the prefill, so n tokens make n - 1 steps.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let steps = self.usage.completion_tokens.saturating_sub(1);
        (steps > 0 && self.timings.decode_ms > 0.0).then(|| f64::from(steps) * 1000.0 / self.timings.decode_ms)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptSize {
    pub prompt_tokens: u32,
    pub context_length: u32,
}

/// What is known of a model without asking it anything.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Model {
    /// The name that requests use, for example `smollm2:135m`.
    pub id: String,
    pub engine: EngineKind,
    pub size_bytes: Option<u64>,
    /// Bytes of memory that it takes, about, with all of its chats; left out where another server keeps it and does not say.
    pub memory_bytes: Option<u64>,
    /// For example `Q4_1`.
    pub quantization: Option<String>,
    /// Number of weights.
    pub parameters: Option<u64>,
    /// Tokens that one chat may hold.
    pub context_length: Option<u32>,
    /// What it was made for, as far as its file tells; empty where that is not known.
    pub capabilities: Vec<Capability>,
    /// The architecture, for example `llama`.
    pub family: Option<String>,
    /// When its file was last written.
    pub modified_at: Option<DateTime<Utc>>,
    /// SHA-256 of its file, `sha256:` and 64 hexadecimal digits, as soon as it is known; left out where another server keeps the
    /// file and does not say.
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Whether it is in memory now.
    pub loaded: bool,
    /// When it leaves the memory if nobody asks for it; left out where that is never or not known.
    pub unloads_at: Option<DateTime<Utc>>,
    /// One sentence on what the model is good for.
    pub description: Option<String>,
}

/// What a model was made for, under Ollama's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// It writes text.
    Completion,
    /// It makes vectors of texts.
    Embedding,
    /// It calls functions that its chat template tells it of.
    Tools,
}

/// The model that `name` means: without a tag it may mean `:latest`.
pub fn resolve<'a>(models: &'a [Model], name: &str) -> Option<&'a Model> {
    let names = [name, &full_name(name)];
    names.into_iter().find_map(|name| models.iter().find(|model| model.id == name))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    Local,
    Ollama,
    OpenAi,
    Scripted,
}

/// Why an engine did not answer, as far as a caller can act on it. Messages are for users and hold no internals.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("{0}")]
    Unavailable(String),
    /// Another server has too much to do; which, as a sentence begins with it.
    #[error("{0} is busy; try again in a moment")]
    Overloaded(&'static str),
    #[error("the engine took too long")]
    Timeout,
    #[error("model '{0}' not found")]
    UnknownModel(String),
    #[error("the conversation is longer than the model's context")]
    ContextLengthExceeded,
    #[error("{0}")]
    InvalidRequest(String),
    #[error("model '{0}' is answering; try again when its answers have ended")]
    InUse(String),
    /// Memory in bytes: what it would take, and what all models may take together.
    #[error(
        "model '{model}' would take about {} of memory, and models may take {} here: let them take more (MAX_MODEL_MEMORY), \
         lower CONTEXT_LENGTH or SLOTS, or choose a smaller model",
        ByteSize(*.memory), ByteSize(*.limit)
    )]
    TooLarge { model: String, memory: u64, limit: u64 },
    #[error("the models of this server are kept by another one that it runs in front of; change them there")]
    KeptElsewhere,
    /// The schema that the answer was to follow cannot be enforced; says why.
    #[error("the schema cannot be used: {0}")]
    UnusableSchema(String),
    /// The same of a function's arguments.
    #[error("tools cannot be used: {0}")]
    UnusableTools(String),
    #[error("tools are not supported by this model")]
    ToolsUnsupported,
    /// The engine cannot do what a field of the request asks for.
    #[error("{param}: {reason}")]
    Unsupported {
        /// As OpenAI's dialect calls it; where others have the field at all, they do too.
        param: &'static str,
        /// With what to do in its place.
        reason: &'static str,
    },
    /// The engine died or broke off after it had begun.
    #[error("the engine stopped in the middle of the answer")]
    Interrupted,
    #[error("the engine failed")]
    Internal(#[source] anyhow::Error),
}

impl EngineError {
    /// A word for logs and traces. The message itself may quote the prompt: an engine in front of which we run chose it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Overloaded(_) => "overloaded",
            Self::Timeout => "timeout",
            Self::UnknownModel(_) => "unknown_model",
            Self::ContextLengthExceeded => "context_length_exceeded",
            Self::InvalidRequest(_) => "invalid_request",
            Self::InUse(_) => "in_use",
            Self::TooLarge { .. } => "model_too_large",
            Self::KeptElsewhere => "kept_elsewhere",
            Self::UnusableSchema(_) => "unusable_schema",
            Self::UnusableTools(_) => "unusable_tools",
            Self::ToolsUnsupported => "tools_unsupported",
            Self::Unsupported { .. } => "unsupported",
            Self::Interrupted => "interrupted",
            Self::Internal(_) => "internal",
        }
    }
}

/// An id for a call that an engine has given none.
pub(crate) fn new_call_id() -> String {
    format!("call_{}", Uuid::new_v4().simple())
}

/// The engine that the configuration asks for.
pub fn connect(config: &Config) -> anyhow::Result<Arc<dyn Engine>> {
    let for_replicas = config.clone();
    Ok(if !config.ollama_url.is_empty() {
        Arc::new(Pool::connect(&config.ollama_url, config, move |Address { url, ip }: &Address| {
            Ok(Arc::new(Ollama::new(url, &for_replicas)?.at(*ip)?))
        })?)
    } else if !config.openai_base_url.is_empty() {
        Arc::new(Pool::connect(&config.openai_base_url, config, move |Address { url, ip }: &Address| {
            Ok(Arc::new(OpenAi::new(url, &for_replicas)?.at(*ip)?))
        })?)
    } else if let Some(path) = &config.script {
        Arc::new(Scripted::from_file(path, config)?)
    } else {
        Arc::new(Local::new(EngineCommand::this_program()?, config)?)
    })
}
