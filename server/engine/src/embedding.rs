//! Makes vectors of texts: the mean of the model's last hidden states, or what else the model file names, of length 1.
//!
//! It has a llama.cpp context of its own, made when it is needed first. A step computes a few tokens of one text, so that
//! chats go on between two steps however long the texts are.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use anyhow::Context as _;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::{LlamaContextParams, LlamaPoolingType};
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::model;
use crate::protocol::{ErrorCode, Event, LoadOptions};

/// Tokens of one step.
const STEP_TOKENS: u32 = 64;

/// The texts that wait for their vectors, first come, first served.
pub struct Embedder<'model> {
    backend: &'model LlamaBackend,
    model: &'model LlamaModel,
    options: LoadOptions,
    pooling: Pooling,
    context: Option<LlamaContext<'model>>,
    waiting: VecDeque<Job>,
}

struct Job {
    id: String,
    texts: VecDeque<Vec<LlamaToken>>,
    tokens: u32,
    vectors: Vec<Vec<f32>>,
    /// Of the first text in `texts`: what its tokens have come to so far, and how many those are.
    pooled: Vec<f32>,
    computed: usize,
}

/// Which tokens of a text its vector is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pooling {
    Mean,
    First,
    Last,
}

impl<'model> Embedder<'model> {
    pub fn new(backend: &'model LlamaBackend, model: &'model LlamaModel, options: LoadOptions) -> Self {
        Self { backend, model, options, pooling: Pooling::of(model), context: None, waiting: VecDeque::new() }
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// No text is without tokens, or has more of them than the context holds.
    pub fn enqueue(&mut self, id: String, texts: Vec<Vec<LlamaToken>>) {
        let tokens = texts.iter().map(|text| text.len() as u32).sum();
        let vectors = Vec::with_capacity(texts.len());
        self.waiting.push_back(Job { id, texts: texts.into(), tokens, vectors, pooled: Vec::new(), computed: 0 });
    }

    pub fn cancel(&mut self, id: &str) {
        self.waiting.retain(|job| job.id != id);
    }

    /// Computes a part of the first text.
    pub fn step(&mut self, events: &mut Vec<Event>) {
        let Some(mut job) = self.waiting.pop_front() else { return };
        match self.compute(&mut job) {
            Ok(()) if job.texts.is_empty() => {
                events.push(Event::Embedded { id: job.id, vectors: job.vectors, tokens: job.tokens });
            }
            Ok(()) => self.waiting.push_front(job),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "llama.cpp could not compute an embedding");
                // What is half computed in it belongs to nobody.
                self.context = None;
                let message = "The engine could not compute this embedding. Try again.".to_owned();
                events.push(Event::Error { id: job.id, code: ErrorCode::Internal, message });
            }
        }
    }

    fn compute(&mut self, job: &mut Job) -> anyhow::Result<()> {
        let Some(text) = job.texts.front() else { return Ok(()) };
        if self.context.is_none() {
            self.context = Some(new_context(self.backend, self.model, &self.options)?);
        }
        let context = self.context.as_mut().context("it was made above")?;
        if job.computed == 0 {
            context.clear_kv_cache();
        }
        let end = text.len().min(job.computed + STEP_TOKENS as usize);
        let mut batch = LlamaBatch::new(STEP_TOKENS as usize, 1);
        for (position, token) in text[job.computed..end].iter().enumerate() {
            batch.add(*token, (job.computed + position) as i32, &[0], true)?;
        }
        context.decode(&mut batch)?;
        for index in 0..batch.n_tokens() {
            self.pooling.add(&mut job.pooled, context.embeddings_ith(index)?);
        }
        job.computed = end;
        if end == text.len() {
            job.texts.pop_front();
            job.computed = 0;
            job.vectors.push(normalised(std::mem::take(&mut job.pooled)));
        }
        Ok(())
    }
}

impl Pooling {
    /// The GGUF's `<architecture>.pooling_type`, numbered as llama.cpp's `llama_pooling_type`.
    fn of(model: &LlamaModel) -> Self {
        let architecture = model.meta_val_str("general.architecture").unwrap_or_default();
        match model.meta_val_str(&format!("{architecture}.pooling_type")).as_deref() {
            Ok("2") => Self::First,
            Ok("3") => Self::Last,
            _ => Self::Mean,
        }
    }

    /// A sum is as good as a mean, because its length does not matter in the end.
    fn add(self, pooled: &mut Vec<f32>, token: &[f32]) {
        match self {
            Self::First if !pooled.is_empty() => {}
            Self::Mean if !pooled.is_empty() => pooled.iter_mut().zip(token).for_each(|(sum, value)| *sum += value),
            _ => token.clone_into(pooled),
        }
    }
}

fn new_context<'model>(
    backend: &LlamaBackend,
    model: &'model LlamaModel,
    options: &LoadOptions,
) -> anyhow::Result<LlamaContext<'model>> {
    let threads = options.threads as i32;
    let params = LlamaContextParams::default()
        .with_n_ctx(NonZeroU32::new(model::context_length(model, options)))
        .with_n_batch(STEP_TOKENS)
        .with_n_ubatch(STEP_TOKENS)
        .with_n_seq_max(1)
        .with_embeddings(true)
        .with_pooling_type(LlamaPoolingType::None)
        .with_n_threads(threads)
        .with_n_threads_batch(threads);
    model.new_context(backend, params).context("there is not enough memory for a second context")
}

/// The same direction with length 1; a vector of zeros has none and stays.
fn normalised(mut vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooled(pooling: Pooling) -> Vec<f32> {
        let mut vector = Vec::new();
        for token in [[3.0, 0.0], [0.0, 3.0], [0.0, 1.0]] {
            pooling.add(&mut vector, &token);
        }
        normalised(vector)
    }

    #[test]
    fn a_vector_is_made_of_the_tokens_that_the_pooling_names() {
        assert_eq!(pooled(Pooling::Mean), [0.6, 0.8]);
        assert_eq!(pooled(Pooling::First), [1.0, 0.0]);
        assert_eq!(pooled(Pooling::Last), [0.0, 1.0]);
    }

    #[test]
    fn a_vector_without_length_stays_as_it_is() {
        assert_eq!(normalised(vec![0.0, 0.0]), [0.0, 0.0]);
    }
}
