//! Any server that speaks OpenAI's API: vLLM, llama-server, another Flotilla, OpenAI itself.

mod sse;
mod wire;

use std::{
    net::IpAddr,
    pin::pin,
    time::{Duration, Instant},
};

use async_stream::stream;
use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{RequestBuilder, Response, StatusCode};

use self::{sse::EventDecoder, wire::Failure};
use super::{
    ChatRequest, ChatStream, Completion, Delta, Engine, EngineError, EngineKind, FinishReason, Model, PromptMessage,
    PromptSize, Timings, Usage,
    upstream::{LOOKUP_TIMEOUT, Upstream, error_body, lines},
};
use crate::config::{Config, Secret};

/// Runs in front of an OpenAI-compatible server.
pub struct OpenAi {
    upstream: Upstream,
    key: Option<Secret>,
    default_model: Option<String>,
    first_token_timeout: Duration,
}

impl OpenAi {
    /// `url` is the part before `/chat/completions`.
    pub fn new(url: &str, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            upstream: Upstream::new("the engine", "OPENAI_BASE_URL", url)?,
            key: config.openai_api_key.clone(),
            default_model: config.model_name.clone(),
            first_token_timeout: config.first_token_timeout(),
        })
    }

    /// The same at one of the addresses that the URL's name has, where it matters which.
    pub fn at(self, address: Option<IpAddr>) -> anyhow::Result<Self> {
        Ok(Self { upstream: self.upstream.at(address)?, ..self })
    }

    async fn listed(&self) -> Result<Vec<wire::ListedModel>, EngineError> {
        let response = self.upstream.send(self.authorized(self.upstream.get("/models")), LOOKUP_TIMEOUT).await?;
        if !response.status().is_success() {
            return Err(refusal(response, "").await);
        }
        let list: wire::ModelList = self.upstream.json(response).await?;
        Ok(list.data)
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.expose()),
            None => request,
        }
    }
}

#[async_trait]
impl Engine for OpenAi {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        let mut listed = self.listed().await?;
        listed.sort_by_key(|model| Some(&model.id) != self.default_model.as_ref());
        let model = |listed: wire::ListedModel| Model {
            id: listed.id,
            engine: EngineKind::OpenAi,
            size_bytes: None,
            quantization: None,
            parameters: None,
            context_length: listed.max_model_len,
            capabilities: Vec::new(),
            loaded: true,
            description: None,
        };
        Ok(listed.into_iter().map(model).collect())
    }

    /// Reaching the server has to do: llama-server answers to any model's name, listed or not.
    async fn ready(&self, _model: &str) -> Result<(), EngineError> {
        self.listed().await.map(drop)
    }

    /// The API has no way to count tokens.
    async fn measure(&self, _model: &str, _messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        Ok(None)
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        let started = Instant::now();
        let post = self.upstream.post("/chat/completions").json(&wire::ChatRequest::new(&request));
        let response = self.upstream.send(self.authorized(post), self.first_token_timeout).await?;
        if !response.status().is_success() {
            return Err(refusal(response, &request.model).await);
        }
        Ok(answer(lines(response), started).take_until(request.cancel.cancelled_owned()).boxed())
    }
}

fn answer(lines: impl Stream<Item = Result<Bytes, EngineError>> + Send + 'static, started: Instant) -> ChatStream {
    stream! {
        let mut lines = pin!(lines);
        let mut decoder = EventDecoder::default();
        let mut progress = Progress::new(started);
        loop {
            match next_event(&mut lines, &mut decoder).await {
                Ok(Some(data)) if data == b"[DONE]" => {
                    progress.finish_reason.get_or_insert(FinishReason::Stop);
                    break;
                }
                Ok(Some(data)) => match parse(&data) {
                    Ok(chunk) => {
                        if let Some(text) = progress.take(chunk) {
                            yield Ok(Delta::Text(text.into()));
                        }
                    }
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                },
                // An answer that has said why it ended is whole, even if the connection breaks after that.
                Ok(None) | Err(_) => break,
            }
        }
        yield progress.completion().map(Delta::Done).ok_or(EngineError::Interrupted);
    }
    .boxed()
}

/// The data of the next event; `None` at the end of the body.
async fn next_event(
    lines: &mut (impl Stream<Item = Result<Bytes, EngineError>> + Unpin),
    decoder: &mut EventDecoder,
) -> Result<Option<Vec<u8>>, EngineError> {
    while let Some(line) = lines.next().await {
        if let Some(data) = decoder.push(&line?)? {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn parse(data: &[u8]) -> Result<wire::Chunk, EngineError> {
    let chunk: wire::Chunk = serde_json::from_slice(data).map_err(|_| {
        tracing::warn!("the engine sent an event that cannot be read");
        EngineError::Interrupted
    })?;
    let Some(error) = &chunk.error else {
        return Ok(chunk);
    };
    let failure = Failure::from_error(error);
    tracing::warn!(message = failure.message, "the engine failed in the middle of an answer");
    Err(if failure.is_context_overflow { EngineError::ContextLengthExceeded } else { EngineError::Interrupted })
}

/// What is known of an answer so far. The API tells no times, so they are taken here.
struct Progress {
    started: Instant,
    first_token: Option<Instant>,
    last_token: Instant,
    finish_reason: Option<FinishReason>,
    usage: Usage,
}

impl Progress {
    fn new(started: Instant) -> Self {
        Self { started, first_token: None, last_token: started, finish_reason: None, usage: Usage::default() }
    }

    /// Notes what `chunk` tells and gives its text.
    fn take(&mut self, chunk: wire::Chunk) -> Option<String> {
        if let Some(usage) = chunk.usage {
            self.usage = Usage {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
                completion_tokens: usage.completion_tokens,
            };
        }
        let choice = chunk.choices.into_iter().next()?;
        if let Some(reason) = choice.finish_reason {
            self.finish_reason = Some(if reason == "length" { FinishReason::Length } else { FinishReason::Stop });
        }
        let text = choice.delta.content.filter(|text| !text.is_empty())?;
        self.last_token = Instant::now();
        self.first_token.get_or_insert(self.last_token);
        Some(text)
    }

    /// `None` while it is not known why the answer ended.
    fn completion(&self) -> Option<Completion> {
        let first_token = self.first_token.unwrap_or(self.last_token);
        Some(Completion {
            finish_reason: self.finish_reason?,
            usage: self.usage,
            timings: Timings {
                queued_ms: 0.0,
                prefill_ms: milliseconds(first_token - self.started),
                decode_ms: milliseconds(self.last_token - first_token),
            },
        })
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Why the server answered with an error status.
async fn refusal(response: Response, model: &str) -> EngineError {
    let status = response.status();
    let failure = Failure::from_body(&error_body(response).await);
    tracing::warn!(%status, message = failure.as_ref().map(|failure| &failure.message), "the engine refused a request");
    let unavailable = |message: &str| EngineError::Unavailable(message.to_owned());
    match (status, failure) {
        (_, Some(failure)) if failure.is_context_overflow => EngineError::ContextLengthExceeded,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            unavailable("the engine refused our key; check OPENAI_API_KEY")
        }
        (StatusCode::NOT_FOUND, Some(_)) => EngineError::UnknownModel(model.to_owned()),
        (StatusCode::NOT_FOUND, None) => unavailable("the engine does not know this path; check OPENAI_BASE_URL"),
        (StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY, Some(failure)) => {
            EngineError::InvalidRequest(failure.message)
        }
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => EngineError::Overloaded("the engine"),
        (status, _) if status.is_redirection() => unavailable("the engine redirects requests; check OPENAI_BASE_URL"),
        _ => unavailable("the engine failed; its log says why"),
    }
}
