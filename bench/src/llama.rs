//! llama.cpp by itself: the same file and settings through the same crate, without our scheduler, process and server.

use std::{path::Path, time::Instant};

use anyhow::{Context, ensure};
use flotilla_engine::{model, protocol::LoadOptions};
use llama_cpp_2::{
    context::LlamaContext,
    llama_batch::LlamaBatch,
    model::{LlamaChatMessage, LlamaModel},
    sampling::LlamaSampler,
    token::LlamaToken,
};

use crate::chat::Message;

/// A model in memory.
pub struct Llama {
    model: LlamaModel,
    options: LoadOptions,
}

/// Room for some answers that are computed together.
pub struct Sequences<'model> {
    model: &'model LlamaModel,
    context: LlamaContext<'model>,
}

impl Llama {
    pub fn load(file: &Path, options: LoadOptions) -> anyhow::Result<Self> {
        Ok(Self { model: model::load(model::backend()?, file, &options)?, options })
    }

    pub fn sequences(&self, count: u32) -> anyhow::Result<Sequences<'_>> {
        let options = LoadOptions { slots: count, ..self.options.clone() };
        Ok(Sequences { model: &self.model, context: model::new_context(model::backend()?, &self.model, &options)? })
    }
}

impl Sequences<'_> {
    /// Answers `chats`, all of the same length, with up to `max_tokens` each. Returns tokens per second: all after each
    /// answer's first one, over the time from the first to the last.
    pub fn generate(&mut self, chats: &[Vec<Message>], max_tokens: u32) -> anyhow::Result<f64> {
        self.context.clear_kv_cache();
        let vocab = self.model.vocab();
        let mut sampler = LlamaSampler::chain([LlamaSampler::greedy()], true);
        let mut batch = LlamaBatch::new(model::BATCH_TOKENS as usize, 1);
        let mut answers = Vec::new();
        for (sequence, chat) in chats.iter().enumerate() {
            let prompt = self.tokens(chat)?;
            for (position, &token) in prompt.iter().enumerate() {
                batch.add(token, position as i32, &[sequence as i32], position + 1 == prompt.len())?;
            }
            answers.push(Sequence {
                number: sequence as i32,
                position: prompt.len() as i32,
                output: batch.n_tokens() - 1,
                text: Vec::new(),
                ended: false,
            });
        }
        self.context.decode(&mut batch)?;

        let mut generated = 0;
        let mut started = None;
        for round in 1..=max_tokens {
            batch.clear();
            for answer in answers.iter_mut().filter(|answer| !answer.ended) {
                let token: LlamaToken = sampler.sample(&self.context, answer.output);
                generated += 1;
                answer.ended = vocab.is_eog(token);
                if !answer.ended {
                    answer.text.extend(vocab.token_to_piece(token, false, None));
                    answer.output = batch.n_tokens();
                    batch.add(token, answer.position, &[answer.number], true)?;
                    answer.position += 1;
                }
            }
            started.get_or_insert_with(Instant::now);
            if batch.n_tokens() == 0 || round == max_tokens {
                break;
            }
            self.context.decode(&mut batch)?;
        }
        let elapsed = started.context("no token was asked for")?.elapsed();
        let after_first = generated - chats.len();
        ensure!(after_first > 0, "the model ended its answer with the first token");
        Ok(after_first as f64 / elapsed.as_secs_f64())
    }

    fn tokens(&self, chat: &[Message]) -> anyhow::Result<Vec<LlamaToken>> {
        let template = self.model.chat_template(None).context("the model has no chat template")?;
        let messages: Result<Vec<_>, _> = chat
            .iter()
            .map(|message| LlamaChatMessage::new(message.role.to_owned(), message.content.clone()))
            .collect();
        let text = self.model.apply_chat_template(&template, &messages?, true)?;
        Ok(self.model.vocab().tokenize(text.as_bytes(), true, true))
    }
}

/// One answer being made.
struct Sequence {
    number: i32,
    position: i32,
    /// Where in the batch the token lies whose successor is sampled next.
    output: i32,
    text: Vec<u8>,
    ended: bool,
}
