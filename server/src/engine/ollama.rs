//! Ollama, through its own API: the OpenAI-compatible one cuts long prompts silently, whatever it is asked.

mod wire;

use std::{net::IpAddr, pin::pin, time::Duration};

use async_stream::stream;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode};
use serde::Serialize;

use super::{
    ChatRequest, ChatStream, Completion, Delta, EmbedRequest, Embeddings, Engine, EngineError, EngineKind,
    FinishReason, Model, Prompt, PromptMessage, PromptSize, Timings, ToolCall, ToolChoice, Tools, Usage, new_call_id,
    upstream::{LOOKUP_TIMEOUT, Upstream, error_body, lines},
};
use crate::{
    config::Config,
    models::{Digest, full_name},
};

/// Runs in front of an Ollama.
pub struct Ollama {
    upstream: Upstream,
    default_model: String,
    context_length: u32,
    first_token_timeout: Duration,
}

/// What answers when MODEL_NAME is not set.
const DEFAULT_MODEL: &str = "qwen2.5:0.5b";

impl Ollama {
    pub fn new(url: &str, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            upstream: Upstream::new("Ollama", "OLLAMA_URL", url)?,
            default_model: full_name(config.model_name.as_deref().unwrap_or(DEFAULT_MODEL)),
            context_length: config.context_length,
            first_token_timeout: config.first_token_timeout(),
        })
    }

    /// The same at one of the addresses that the URL's name has, where it matters which.
    pub fn at(self, address: Option<IpAddr>) -> anyhow::Result<Self> {
        Ok(Self { upstream: self.upstream.at(address)?, ..self })
    }

    async fn installed(&self) -> Result<Vec<wire::InstalledModel>, EngineError> {
        let response = self.upstream.send(self.upstream.get("/api/tags"), LOOKUP_TIMEOUT).await?;
        if !response.status().is_success() {
            return Err(refusal(response, "").await);
        }
        let tags: wire::Tags = self.upstream.json(response).await?;
        Ok(tags.models)
    }

    /// The head of the response to a question that takes computing, which must be a success.
    async fn ask(&self, path: &str, body: &(impl Serialize + Sync), model: &str) -> Result<Response, EngineError> {
        let post = self.upstream.post(path).json(body);
        // Ollama sends the head of its response together with the first token.
        let response = self.upstream.send(post, self.first_token_timeout).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response, model).await) }
    }

    /// None when Ollama is too old to tell; whether a model is loaded is not worth an error.
    async fn loaded(&self) -> Vec<wire::LoadedModel> {
        match self.upstream.send(self.upstream.get("/api/ps"), LOOKUP_TIMEOUT).await {
            Ok(response) => self.upstream.json(response).await.map(|ps: wire::Ps| ps.models).unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

#[async_trait]
impl Engine for Ollama {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        let (installed, loaded) = tokio::join!(self.installed(), self.loaded());
        let mut installed = installed?;
        installed.sort_by_key(|model| model.name != self.default_model);
        let model = |installed: wire::InstalledModel| {
            let loaded = loaded.iter().find(|loaded| loaded.name == installed.name);
            Model {
                engine: EngineKind::Ollama,
                size_bytes: Some(installed.size),
                memory_bytes: loaded.and_then(|loaded| loaded.size),
                parameters: installed.details.parameters(),
                family: installed.details.family,
                modified_at: installed.modified_at,
                digest: Digest::parse_hex(&installed.digest),
                quantization: installed.details.quantization_level,
                context_length: loaded.and_then(|loaded| loaded.context_length),
                capabilities: Vec::new(),
                loaded: loaded.is_some(),
                unloads_at: loaded.and_then(|loaded| loaded.expires_at),
                description: None,
                id: installed.name,
            }
        };
        Ok(installed.into_iter().map(model).collect())
    }

    async fn ready(&self, model: &str) -> Result<(), EngineError> {
        let name = full_name(model);
        let installed = self.installed().await?.into_iter().any(|installed| installed.name == name);
        if installed { Ok(()) } else { Err(EngineError::UnknownModel(model.to_owned())) }
    }

    /// Ollama counts only what it also answers.
    async fn measure(&self, _model: &str, _messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        Ok(None)
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        if let Some(tools) = &request.output.tools {
            check_choice(tools)?;
        }
        let response = match request.prompt_and_answer().as_ref() {
            Prompt::Messages(messages) => {
                let body = wire::ChatRequest::new(&request, messages, self.context_length);
                self.ask("/api/chat", &body, &request.model).await?
            }
            Prompt::Text(text) => {
                let body = wire::GenerateRequest::new(&request, text, self.context_length);
                self.ask("/api/generate", &body, &request.model).await?
            }
        };
        Ok(answer(lines(response)).take_until(request.cancel.cancelled_owned()).boxed())
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        let response = self.ask("/api/embed", &wire::EmbedRequest::new(&request)?, &request.model).await?;
        let wire::Embedded { embeddings, prompt_eval_count } = self.upstream.json(response).await?;
        Ok(Embeddings { vectors: embeddings, tokens: prompt_eval_count })
    }
}

/// Ollama's models call as many functions as they like.
fn check_choice(tools: &Tools) -> Result<(), EngineError> {
    let unsupported = |param, reason| Err(EngineError::Unsupported { param, reason });
    if tools.choice != ToolChoice::Auto {
        return unsupported("tool_choice", "this engine cannot be made to call a tool; leave it out");
    }
    if !tools.parallel {
        return unsupported("parallel_tool_calls", "this engine cannot be kept to one call; leave it out");
    }
    Ok(())
}

fn answer(lines: impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static) -> ChatStream {
    stream! {
        let mut lines = pin!(lines);
        while let Some(line) = lines.next().await {
            let chunk = match line.and_then(|line| parse(&line)) {
                Ok(chunk) => chunk,
                Err(error) => {
                    yield Err(error);
                    return;
                }
            };
            let done = chunk.completion();
            for delta in chunk.deltas() {
                yield Ok(delta);
            }
            if let Some(completion) = done {
                yield Ok(Delta::Done(completion));
                return;
            }
        }
        yield Err(EngineError::Interrupted);
    }
    .boxed()
}

fn parse(line: &[u8]) -> Result<wire::Chunk, EngineError> {
    let chunk: wire::Chunk = serde_json::from_slice(line).map_err(|_| {
        tracing::warn!("Ollama's answer broke off within a line");
        EngineError::Interrupted
    })?;
    match chunk.error {
        Some(message) if is_context_overflow(&message) => Err(EngineError::ContextLengthExceeded),
        Some(_) => {
            // Without its message, which may quote the prompt. Its own log has it.
            tracing::warn!("Ollama failed in the middle of an answer");
            Err(EngineError::Interrupted)
        }
        None => Ok(chunk),
    }
}

impl wire::Chunk {
    /// What the line says: thoughts, probabilities and the text that they are of, and calls.
    fn deltas(self) -> Vec<Delta> {
        let mut deltas = Vec::new();
        let wire::ChunkMessage { content, thinking, tool_calls: calls } = self.message.unwrap_or_default();
        let (text, thoughts) = (self.response.unwrap_or(content), self.thinking.unwrap_or(thinking));
        // Those of thoughts are of nothing that the answer has.
        let has_logprobs = !self.logprobs.is_empty() && (thoughts.is_empty() || !text.is_empty());
        deltas.extend((!thoughts.is_empty()).then_some(Delta::Reasoning(thoughts)));
        if has_logprobs {
            deltas.push(Delta::Logprobs(self.logprobs.into_iter().map(Into::into).collect()));
        }
        deltas.extend((!text.is_empty()).then(|| Delta::Text(text.into())));
        deltas.extend(calls.into_iter().map(|call| {
            let arguments = call.function.arguments.to_string();
            Delta::ToolCall(ToolCall { id: new_call_id(), name: call.function.name, arguments })
        }));
        deltas
    }

    /// `None` until the last line.
    fn completion(&self) -> Option<Completion> {
        let computing = self.prompt_eval_duration.saturating_add(self.eval_duration);
        self.done.then(|| Completion {
            finish_reason: if self.done_reason.as_deref() == Some("length") {
                FinishReason::Length
            } else {
                FinishReason::Stop
            },
            usage: Usage {
                prompt_tokens: self.prompt_eval_count,
                cached_tokens: 0,
                completion_tokens: self.eval_count,
            },
            timings: Timings {
                queued_ms: milliseconds(self.total_duration.saturating_sub(computing)),
                prefill_ms: milliseconds(self.prompt_eval_duration),
                decode_ms: milliseconds(self.eval_duration),
            },
        })
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1000.0
}

/// Why Ollama answered with an error status.
async fn refusal(response: Response, model: &str) -> EngineError {
    let status = response.status();
    let body = error_body(response).await;
    let message = serde_json::from_slice::<wire::Refusal>(&body).map(|refusal| refusal.error).unwrap_or_default();
    tracing::warn!(%status, "Ollama refused a request");
    match status {
        _ if is_context_overflow(&message) => EngineError::ContextLengthExceeded,
        StatusCode::BAD_REQUEST if message.contains("does not support tools") => EngineError::ToolsUnsupported,
        StatusCode::NOT_FOUND => EngineError::UnknownModel(model.to_owned()),
        StatusCode::BAD_REQUEST => EngineError::InvalidRequest(message),
        StatusCode::SERVICE_UNAVAILABLE => EngineError::Overloaded("Ollama"),
        // The one failure of its own that the user can do something about.
        _ if message.contains("system memory") => EngineError::Unavailable(message),
        _ => EngineError::Unavailable("Ollama failed; its log says why".to_owned()),
    }
}

/// Ollama has no code for it, and its versions say it differently.
fn is_context_overflow(message: &str) -> bool {
    message.contains("context length") || message.contains("context window")
}
