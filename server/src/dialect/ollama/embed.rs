use std::time::Instant;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::keep_alive::KeepAlive;
use crate::{
    dialect::{
        OneOrMany,
        embedding::{check_text_count, with_dimensions},
    },
    engine::{self, EmbedText, Embeddings},
    error::{Error, Result},
};

/// The body of `POST /api/embed`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EmbedRequest {
    /// Without one, the server's default model is used.
    pub model: Option<String>,
    pub input: OneOrMany,
    /// False: fail when a text does not fit the context, instead of cutting it off.
    pub truncate: Option<bool>,
    /// Cut the vectors to so many numbers; for models that were trained for it.
    pub dimensions: Option<u32>,
    /// As in a chat.
    pub keep_alive: Option<KeepAlive>,
}

/// The body of an answer of `/api/embed`. Durations are nanoseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbedResponse {
    model: String,
    embeddings: Vec<Vec<f32>>,
    /// From the request to here.
    total_duration: u64,
    /// Always 0.
    load_duration: u64,
    prompt_eval_count: u32,
}

/// The body of `POST /api/embeddings`, the older form of `/api/embed`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OldEmbedRequest {
    /// Without one, the server's default model is used.
    pub model: Option<String>,
    pub prompt: String,
    /// As in a chat.
    pub keep_alive: Option<KeepAlive>,
}

/// The body of an answer of `/api/embeddings`.
#[derive(Debug, Serialize, ToSchema)]
pub struct OldEmbedResponse {
    embedding: Vec<f32>,
}

impl EmbedRequest {
    pub fn truncate(&self) -> bool {
        self.truncate != Some(false)
    }

    /// How long the model is to stay in memory, if the request says so.
    ///
    /// # Errors
    /// 400 for a `keep_alive` that is no duration.
    pub fn keep_alive(&self) -> Result<Option<engine::KeepAlive>> {
        KeepAlive::read(self.keep_alive.as_ref())
    }

    /// The texts.
    ///
    /// # Errors
    /// 400 for none, for too many and for empty ones.
    pub fn into_texts(self) -> Result<Vec<EmbedText>> {
        let texts = Vec::from(self.input);
        check_text_count(texts.len())?;
        texts.into_iter().map(|text| embed_text(text, "input")).collect()
    }
}

impl OldEmbedRequest {
    /// How long the model is to stay in memory, if the request says so.
    ///
    /// # Errors
    /// 400 for a `keep_alive` that is no duration.
    pub fn keep_alive(&self) -> Result<Option<engine::KeepAlive>> {
        KeepAlive::read(self.keep_alive.as_ref())
    }

    /// The text.
    ///
    /// # Errors
    /// 400 for an empty one.
    pub fn into_texts(self) -> Result<Vec<EmbedText>> {
        Ok(vec![embed_text(self.prompt, "prompt")?])
    }
}

impl EmbedResponse {
    /// # Errors
    /// 400 when the vectors have fewer numbers than `dimensions`.
    pub fn new(model: String, embeddings: Embeddings, dimensions: Option<u32>, asked_at: Instant) -> Result<Self> {
        Ok(Self {
            model,
            embeddings: with_dimensions(embeddings.vectors, dimensions)?,
            total_duration: u64::try_from(asked_at.elapsed().as_nanos()).unwrap_or(u64::MAX),
            load_duration: 0,
            prompt_eval_count: embeddings.tokens,
        })
    }
}

impl From<Embeddings> for OldEmbedResponse {
    fn from(embeddings: Embeddings) -> Self {
        Self { embedding: embeddings.vectors.into_iter().next().unwrap_or_default() }
    }
}

fn embed_text(text: String, at: &str) -> Result<EmbedText> {
    match text.is_empty() {
        true => Err(Error::invalid(at, format!("{at} must not hold an empty text"))),
        false => Ok(EmbedText::Text(text)),
    }
}
