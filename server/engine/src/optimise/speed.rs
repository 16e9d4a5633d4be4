//! How fast a model reads and writes on this machine.

use std::path::Path;
use std::time::{Duration, Instant};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};

use super::{Machine, MeasureError, with_model};
use crate::model::BATCH_TOKENS;

/// Tokens of the prompt that is measured; they are one batch. More are hardly faster, and take longer.
const PROMPT_TOKENS: u32 = 128;
/// Tokens of the answer that is measured.
const ANSWER_TOKENS: u32 = 32;

/// Tokens per second of one chat.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    pub prompt: f64,
    pub answer: f64,
}

/// Reads a prompt and writes an answer behind it, once. The answer's tokens are given, so that models which would say different
/// things compute the same amount, and no time goes into choosing them.
///
/// Whatever else the machine does shows in the result: take the median of several, in turns with what it is compared to.
pub fn speed(file: &Path, machine: Machine) -> Result<Speed, MeasureError> {
    with_model(file, machine, PROMPT_TOKENS + ANSWER_TOKENS, |_, mut context, tokens| {
        let (prompt, rest) = tokens.split_at_checked(PROMPT_TOKENS as usize).ok_or(MeasureError::ShortContext)?;
        let answer = rest.get(..ANSWER_TOKENS as usize).ok_or(MeasureError::ShortContext)?;
        let mut batch = LlamaBatch::new(BATCH_TOKENS as usize, 1);
        let read = time(|| compute(&mut context, &mut batch, prompt, 0))?;
        let written = time(|| {
            let mut tokens = answer.chunks(1).zip(prompt.len()..);
            tokens.try_for_each(|(token, position)| compute(&mut context, &mut batch, token, position))
        })?;
        Ok(Speed {
            prompt: f64::from(PROMPT_TOKENS) / read.as_secs_f64(),
            answer: f64::from(ANSWER_TOKENS) / written.as_secs_f64(),
        })
    })
}

/// Computes the tokens, of which the first stands at `position`, and the probabilities behind the last.
fn compute(
    context: &mut LlamaContext<'_>,
    batch: &mut LlamaBatch<'_>,
    tokens: &[LlamaToken],
    position: usize,
) -> Result<(), MeasureError> {
    batch.clear();
    for (offset, &token) in tokens.iter().enumerate() {
        let is_last = offset + 1 == tokens.len();
        batch.add(token, (position + offset) as i32, &[0], is_last).map_err(|_| MeasureError::Decode)?;
    }
    context.decode(batch).map_err(|_| MeasureError::Decode)?;
    context.synchronize();
    Ok(())
}

fn time(work: impl FnOnce() -> Result<(), MeasureError>) -> Result<Duration, MeasureError> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}
