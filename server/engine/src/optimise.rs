//! Makes weights of a model that a processor computes faster, and measures what that gains and what it costs.
//!
//! Code map: [`quantize`] writes the other file; [`speed`] and [`perplexity`] measure a file as it would run here. Which file
//! is taken is for the caller to decide.

mod perplexity;
mod quantize;
mod speed;

use std::path::Path;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

pub use self::{
    perplexity::{Estimate, growth, perplexity, surprises},
    quantize::{Form, QuantizeError, quantize},
    speed::{Speed, speed},
};
use crate::model::{self, LoadError};
use crate::protocol::LoadOptions;

/// Prose in several registers, a letter, a dialogue, a list and some code, about 2,200 tokens, written for this purpose: no
/// model has learned it by heart.
const TEXT: &str = include_str!("optimise/text.txt");

/// Why a model cannot be measured. The messages are for a person.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("llama.cpp cannot be initialised.")]
    Backend(#[from] llama_cpp_2::LlamaCppError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("llama.cpp could not compute with this model; the log says more.")]
    Decode,
    #[error("The model's context is too short to measure anything.")]
    ShortContext,
}

/// What the model is measured with, one conversation of it.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub threads: u32,
    /// As in [`LoadOptions`].
    pub gpu_layers: Option<u32>,
}

/// Loads the file as an engine process would, and lets `measure` work with it and with the tokens of [`TEXT`].
fn with_model<Measured>(
    file: &Path,
    machine: Machine,
    context_length: u32,
    measure: impl FnOnce(&LlamaModel, LlamaContext<'_>, &[LlamaToken]) -> Result<Measured, MeasureError>,
) -> Result<Measured, MeasureError> {
    let Machine { threads, gpu_layers } = machine;
    let options = LoadOptions { slots: 1, context_length, threads, gpu_layers, prefix_memory: 0, guess_tokens: 0 };
    let backend = model::backend()?;
    let model = model::load(backend, file, &options)?;
    let context = model::new_context(backend, &model, &options)?;
    if model::context_length(&model, &options) < context_length {
        return Err(MeasureError::ShortContext);
    }
    let tokens = model.vocab().tokenize(TEXT.as_bytes(), false, false);
    measure(&model, context, &tokens)
}
