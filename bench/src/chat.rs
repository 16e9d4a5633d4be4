//! One chat completion; if it is streamed, with the moment at which each piece of it arrived.

use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{StatusCode, body::Incoming};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{connection::Connection, sse::EventDecoder};

/// What is asked. The likeliest token is taken every time, so that the same question is the same work.
#[derive(Clone, Debug, Serialize)]
pub struct ChatRequest {
    model: String,
    messages: Vec<Message>,
    max_tokens: u32,
    temperature: f32,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Message {
    pub role: &'static str,
    pub content: String,
}

#[derive(Clone, Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Message {
    pub fn system(content: impl Into<String>) -> Self {
        Self { role: "system", content: content.into() }
    }

    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user", content: content.into() }
    }

    pub fn assistant(content: impl Into<String>) -> Self {
        Self { role: "assistant", content: content.into() }
    }
}

/// Why there is no answer, or only a part of one.
#[derive(Debug, Error)]
pub enum ChatError {
    #[error("the server answered {status}: {body}")]
    Refused { status: StatusCode, body: String },
    #[error("the answer broke off: {0:#}")]
    Broken(#[from] anyhow::Error),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub sent: Instant,
    /// Never empty. A piece may be a part of a token's text or several tokens'.
    pub pieces: Vec<Piece>,
    /// When the event with the reason for the end arrived.
    pub finished: Instant,
    pub usage: Usage,
}

#[derive(Debug)]
pub struct Piece {
    pub arrived: Instant,
    pub text: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Clone, Debug, Deserialize)]
struct PromptTokensDetails {
    cached_tokens: Option<u32>,
}

impl ChatRequest {
    pub fn new(model: &str, messages: Vec<Message>, max_tokens: u32) -> Self {
        let stream_options = Some(StreamOptions { include_usage: true });
        Self { model: model.to_owned(), messages, max_tokens, temperature: 0.0, stream: true, stream_options }
    }

    pub async fn send(&self, connection: &mut Connection) -> Result<Answer, ChatError> {
        let sent = Instant::now();
        let body = self.begin(connection).await?;
        Ok(read(body, sent).await?)
    }

    /// The same answered in one piece, which is not looked at.
    pub async fn whole(&self, connection: &mut Connection) -> Result<(), ChatError> {
        let request = Self { stream: false, stream_options: None, ..self.clone() };
        request.begin(connection).await?.collect().await.map_err(anyhow::Error::from)?;
        Ok(())
    }

    /// Ask, and wait until the answer begins. Dropping it with its connection is leaving.
    pub async fn begin(&self, connection: &mut Connection) -> Result<Incoming, ChatError> {
        let body = Bytes::from(serde_json::to_vec(self).context("the request cannot be written")?);
        let response = connection.post("/chat/completions", body).await?;
        let status = response.status();
        if status != StatusCode::OK {
            let body = response.into_body().collect().await.map_err(anyhow::Error::from)?.to_bytes();
            return Err(ChatError::Refused { status, body: String::from_utf8_lossy(&body).into_owned() });
        }
        Ok(response.into_body())
    }
}

impl Answer {
    pub fn first_piece(&self) -> Instant {
        self.pieces[0].arrived
    }

    pub fn time_to_first_token(&self) -> Duration {
        self.first_piece() - self.sent
    }

    /// From the first token to the last. Tokens are those that the server counted: events are not tokens.
    pub fn tokens_per_second(&self) -> f64 {
        f64::from(self.tokens_after_first()) / (self.finished - self.first_piece()).as_secs_f64()
    }

    pub fn tokens_after_first(&self) -> u32 {
        self.usage.completion_tokens.saturating_sub(1)
    }

    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }
}

impl Usage {
    /// Tokens of the prompt that were not computed again; 0 where the server does not say.
    pub fn cached_tokens(&self) -> u32 {
        self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens).unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
}

async fn read(mut body: Incoming, sent: Instant) -> anyhow::Result<Answer> {
    let mut decoder = EventDecoder::default();
    let mut pieces = Vec::new();
    let (mut finished, mut usage) = (None, None);
    while let Some(frame) = body.frame().await {
        let arrived = Instant::now();
        let Ok(bytes) = frame?.into_data() else { continue };
        decoder.push(&bytes);
        while let Some(data) = decoder.next_data() {
            if data == b"[DONE]" {
                // The connection can only be used again after the end of the body.
                while body.frame().await.transpose()?.is_some() {}
                return Ok(Answer {
                    sent,
                    pieces: (!pieces.is_empty()).then_some(pieces).context("the answer is empty")?,
                    finished: finished.context("no reason for the end was given")?,
                    usage: usage.context("no usage was given")?,
                });
            }
            let chunk: Chunk = serde_json::from_slice(data).context("an event is not a chunk of an answer")?;
            if let Some(error) = chunk.error {
                return Err(anyhow!("{error}"));
            }
            usage = chunk.usage.or(usage);
            for choice in chunk.choices {
                if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                    pieces.push(Piece { arrived, text });
                }
                if choice.finish_reason.is_some() {
                    finished = Some(arrived);
                }
            }
        }
    }
    bail!("the body ended without [DONE]")
}
