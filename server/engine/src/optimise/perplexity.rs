//! How well a model foretells a text, the usual measure of what a quantisation has cost.
//!
//! The method is that of llama.cpp's `tools/perplexity`: the text is cut into chunks of 512 tokens, each begins with the token
//! that begins texts, if the model has one, and only the second half of a chunk is scored, so that every token has at least 256
//! before it. With the surprise `s = -ln p(token | tokens before it)` of `n` scored tokens the perplexity is `exp(mean(s))`, and
//! its standard error `exp(mean(s)) · sd(s) / √n`.

use std::path::Path;

use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};

use super::{Machine, MeasureError, with_model};
use crate::logprobs::log_sum_exp;

const CHUNK_TOKENS: usize = 512;
/// Tokens whose probabilities are in memory at once: a vocabulary can have 150,000 entries.
const STEP_TOKENS: usize = 64;

/// A number and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    pub error: f64,
}

/// Of the model that had these [`surprises`].
pub fn perplexity(surprises: &[f64]) -> Estimate {
    let count = surprises.len() as f64;
    let mean = surprises.iter().sum::<f64>() / count;
    let variance = surprises.iter().map(|surprise| (surprise - mean).powi(2)).sum::<f64>() / (count - 1.0);
    Estimate { value: mean.exp(), error: mean.exp() * (variance / count).sqrt() }
}

/// The factor by which the perplexity is greater after a change of the weights. Both have read the same text, so what is hard
/// about it cancels out, and the error is much smaller than those of the two perplexities.
pub fn growth(before: &[f64], after: &[f64]) -> Estimate {
    let differences: Vec<_> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    perplexity(&differences)
}

/// Lets the model read the bundled text. Returns the surprise of each token that is scored, in nats and in the order of the text.
pub fn surprises(file: &Path, machine: Machine) -> Result<Vec<f64>, MeasureError> {
    with_model(file, machine, CHUNK_TOKENS as u32, |model, mut context, tokens| {
        let vocab = model.vocab();
        let mut batch = LlamaBatch::new(STEP_TOKENS, 1);
        let mut surprises = Vec::new();
        for chunk in tokens.chunks_exact(CHUNK_TOKENS) {
            let mut chunk = chunk.to_vec();
            if vocab.should_add_bos() {
                chunk[0] = vocab.bos();
            }
            context.clear_kv_cache();
            for start in (0..CHUNK_TOKENS).step_by(STEP_TOKENS) {
                let is_scored = start >= CHUNK_TOKENS / 2;
                batch.clear();
                for (position, &token) in chunk.iter().enumerate().skip(start).take(STEP_TOKENS) {
                    batch.add(token, position as i32, &[0], is_scored).map_err(|_| MeasureError::Decode)?;
                }
                context.decode(&mut batch).map_err(|_| MeasureError::Decode)?;
                if is_scored {
                    // Behind the chunk's last token stands nothing.
                    let followed = chunk[start + 1..].iter().take(STEP_TOKENS).zip(0..);
                    surprises.extend(followed.map(|(&next, output)| surprise(context.get_logits_ith(output), next)));
                }
            }
        }
        Ok(surprises)
    })
}

fn surprise(logits: &[f32], token: LlamaToken) -> f64 {
    f64::from(log_sum_exp(logits) - logits[token.0 as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_always_wavers_between_four_tokens_has_a_perplexity_of_four() {
        let perplexity = perplexity(&[4_f64.ln(); 10]);

        assert!((perplexity.value - 4.0).abs() < 1e-9 && perplexity.error < 1e-9, "{perplexity:?}");
    }

    #[test]
    fn the_error_shrinks_with_the_root_of_the_number_of_tokens() {
        let error = |count| perplexity(&[1.0, 3.0].repeat(count)).error;

        assert!((error(50) / error(200) - 2.0).abs() < 0.02);
    }

    #[test]
    fn what_is_hard_about_a_text_is_no_error_of_the_growth() {
        let before = [0.1, 5.0, 2.0, 9.0];
        let after = before.map(|surprise| surprise + 1.02_f64.ln());
        let growth = growth(&before, &after);

        assert!((growth.value - 1.02).abs() < 1e-9 && growth.error < 1e-9, "{growth:?}");
    }
}
