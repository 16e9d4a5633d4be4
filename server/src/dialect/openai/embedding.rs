use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    dialect::embedding::{check_text_count, with_dimensions},
    engine::{EmbedText, Embeddings},
    error::{Error, Result},
};

/// The body of `POST /v1/embeddings`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct EmbeddingRequest {
    /// Without one, the server's default model is used.
    pub model: Option<String>,
    pub input: EmbeddingInput,
    /// `float` when left out. The official Python client asks for `base64`.
    pub encoding_format: Option<EncodingFormat>,
    /// Cut the vectors to so many numbers; for models that were trained for it.
    pub dimensions: Option<u32>,
}

/// A text or its tokens, or several of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a text, an array of texts, or tokens")]
pub enum EmbeddingInput {
    Text(String),
    Tokens(Vec<u32>),
    Texts(Vec<String>),
    ManyTokens(Vec<Vec<u32>>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    #[default]
    Float,
    Base64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingList {
    /// Always `list`.
    object: &'static str,
    data: Vec<EmbeddingObject>,
    model: String,
    usage: EmbeddingUsage,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingObject {
    /// Always `embedding`.
    object: &'static str,
    index: usize,
    embedding: EmbeddingVector,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EmbeddingVector {
    Float(Vec<f32>),
    /// The numbers as 32-bit little-endian floats, in base64.
    Base64(String),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingUsage {
    prompt_tokens: u32,
    total_tokens: u32,
}

impl EmbeddingInput {
    /// The texts.
    ///
    /// # Errors
    /// 400 for none, for too many and for empty ones.
    pub fn into_texts(self) -> Result<Vec<EmbedText>> {
        let texts: Vec<_> = match self {
            Self::Text(text) => vec![EmbedText::Text(text)],
            Self::Texts(texts) => texts.into_iter().map(EmbedText::Text).collect(),
            // An empty array is read as this one.
            Self::Tokens(tokens) if tokens.is_empty() => Vec::new(),
            Self::Tokens(tokens) => vec![EmbedText::Tokens(tokens)],
            Self::ManyTokens(texts) => texts.into_iter().map(EmbedText::Tokens).collect(),
        };
        check_text_count(texts.len())?;
        let is_empty = |text: &EmbedText| match text {
            EmbedText::Text(text) => text.is_empty(),
            EmbedText::Tokens(tokens) => tokens.is_empty(),
        };
        match texts.iter().any(is_empty) {
            true => Err(Error::invalid("input", "input must not hold an empty text")),
            false => Ok(texts),
        }
    }
}

impl EmbeddingList {
    /// # Errors
    /// 400 when the vectors have fewer numbers than `dimensions`.
    pub fn new(
        model: String,
        embeddings: Embeddings,
        format: Option<EncodingFormat>,
        dimensions: Option<u32>,
    ) -> Result<Self> {
        let vectors = with_dimensions(embeddings.vectors, dimensions)?.into_iter().enumerate();
        let object = |(index, vector): (usize, Vec<f32>)| EmbeddingObject {
            object: "embedding",
            index,
            embedding: match format.unwrap_or_default() {
                EncodingFormat::Float => EmbeddingVector::Float(vector),
                EncodingFormat::Base64 => {
                    let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
                    EmbeddingVector::Base64(BASE64_STANDARD.encode(bytes))
                }
            },
        };
        let usage = EmbeddingUsage { prompt_tokens: embeddings.tokens, total_tokens: embeddings.tokens };
        Ok(Self { object: "list", data: vectors.map(object).collect(), model, usage })
    }
}
