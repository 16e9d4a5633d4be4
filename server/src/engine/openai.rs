//! Any server that speaks OpenAI's API: vLLM, llama-server, another Flotilla, OpenAI itself.

mod progress;
mod request;
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
use serde::Serialize;

use self::{progress::Progress, sse::EventDecoder, wire::Failure};
use super::{
    ChatRequest, ChatStream, Delta, EmbedRequest, Embeddings, Engine, EngineError, EngineKind, FinishReason, Model,
    Prompt, PromptMessage, PromptSize,
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

    /// Start an answer.
    async fn stream(&self, path: &str, body: &(impl Serialize + Sync), model: &str) -> Result<ChatStream, EngineError> {
        let started = Instant::now();
        let post = self.upstream.post(path).json(body);
        let response = self.upstream.send(self.authorized(post), self.first_token_timeout).await?;
        if !response.status().is_success() {
            return Err(refusal(response, model).await);
        }
        Ok(answer(lines(response), started))
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
            memory_bytes: None,
            quantization: None,
            parameters: None,
            context_length: listed.max_model_len,
            capabilities: Vec::new(),
            family: None,
            modified_at: None,
            digest: None,
            loaded: true,
            unloads_at: None,
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
        request.refuse_thinking()?;
        let answer = match request.prompt_and_answer().as_ref() {
            Prompt::Messages(messages) => {
                let body = request::ChatRequest::new(&request, messages);
                self.stream("/chat/completions", &body, &request.model).await?
            }
            // They come in an older form there, which tells no bytes.
            Prompt::Text(_) if request.output.logprobs.is_some() => {
                let reason = "this engine does not tell them of a text that it continues; leave them out";
                return Err(EngineError::Unsupported { param: "logprobs", reason });
            }
            Prompt::Text(text) => {
                let body = request::CompletionRequest::new(&request, text);
                self.stream("/completions", &body, &request.model).await?
            }
        };
        Ok(answer.take_until(request.cancel.cancelled_owned()).boxed())
    }

    /// The API has no way to ask for a text to be cut, so one that is too long is refused.
    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        let post = self.upstream.post("/embeddings").json(&request::EmbedRequest::new(&request));
        let response = self.upstream.send(self.authorized(post), self.first_token_timeout).await?;
        if !response.status().is_success() {
            return Err(refusal(response, &request.model).await);
        }
        let mut list: wire::EmbeddingList = self.upstream.json(response).await?;
        list.data.sort_by_key(|embedding| embedding.index);
        let vectors = list.data.into_iter().map(|embedding| embedding.embedding).collect();
        Ok(Embeddings { vectors, tokens: list.usage.map_or(0, |usage| usage.prompt_tokens) })
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
                        for delta in progress.take(chunk) {
                            yield Ok(delta);
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
        match progress.completion() {
            Some(completion) => {
                for call in progress.calls() {
                    yield Ok(Delta::ToolCall(call));
                }
                yield Ok(Delta::Done(completion));
            }
            None => yield Err(EngineError::Interrupted),
        }
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
    tracing::warn!("the engine failed in the middle of an answer");
    Err(if failure.is_context_overflow { EngineError::ContextLengthExceeded } else { EngineError::Interrupted })
}

/// Why the server answered with an error status.
async fn refusal(response: Response, model: &str) -> EngineError {
    let status = response.status();
    let failure = Failure::from_body(&error_body(response).await);
    // Without its message, which may quote the prompt. Its own log has it.
    tracing::warn!(%status, "the engine refused a request");
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

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::sleep;

    use super::*;
    use crate::engine::with_timeouts;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_thinks_for_minutes_is_not_silent() {
        let thought = r#"data: {"choices":[{"delta":{"reasoning_content":"Hm. "}}]}"#;
        let events = std::iter::repeat_n([thought, ""], 20).flatten().chain([
            r#"data: {"choices":[{"delta":{"content":"Yes"}}]}"#,
            "",
            "data: [DONE]",
            "",
        ]);
        let lines = stream::iter(events).then(async |line| {
            sleep(Duration::from_secs(10)).await;
            Ok(Bytes::from_static(line.as_bytes()))
        });

        let answer = answer(lines.boxed(), Instant::now());
        let answer: Vec<_> = with_timeouts(answer, Duration::from_secs(120), Duration::from_secs(30)).collect().await;

        assert_eq!(answer.len(), 22, "{answer:?}");
        assert!(matches!(&answer[19], Ok(Delta::Reasoning(thought)) if thought == "Hm. "));
        assert!(matches!(answer[20..], [Ok(Delta::Text(_)), Ok(Delta::Done(_))]));
    }
}
