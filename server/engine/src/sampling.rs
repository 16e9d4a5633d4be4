//! Chooses the next token from the model's probabilities.

use std::ops::RangeInclusive;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use crate::grammar::Grammar;
use crate::protocol::{Output, Sampling, limits};

/// One request's way of choosing tokens; it remembers what it chose, for the penalties and the grammar.
pub struct TokenSampler {
    chain: LlamaSampler,
    grammar: Option<Grammar>,
}

/// How far back a repetition counts, prompt included; llama.cpp's usual value.
const REPEAT_WINDOW: usize = 64;

impl TokenSampler {
    /// `params` must have passed [`check`]; `grammar` has taken `answer`, which is what was chosen before, by another
    /// process; `context_length` in tokens.
    pub fn new(
        params: &Sampling,
        grammar: Option<Grammar>,
        prompt: &[LlamaToken],
        answer: &[LlamaToken],
        vocabulary_size: i32,
        context_length: u32,
    ) -> Self {
        let mut steps = Vec::new();
        if params.repeat_penalty != 1.0 {
            let window = prompt.iter().chain(answer).skip((prompt.len() + answer.len()).saturating_sub(REPEAT_WINDOW));
            let repeat =
                LlamaSampler::penalties(vocabulary_size, REPEAT_WINDOW as i32, params.repeat_penalty, 0.0, 0.0);
            steps.push(repeat.with_tokens(window));
        }
        if params.frequency_penalty != 0.0 || params.presence_penalty != 0.0 {
            // As OpenAI defines them, these two count the whole answer and nothing of the prompt.
            let window = i32::try_from(context_length).unwrap_or(i32::MAX);
            let penalties = (params.frequency_penalty, params.presence_penalty);
            let penalties = LlamaSampler::penalties(vocabulary_size, window, 1.0, penalties.0, penalties.1);
            steps.push(penalties.with_tokens(answer));
        }
        if params.temperature == 0.0 {
            steps.push(LlamaSampler::greedy());
        } else {
            // Few candidates first: everything after top_k then sorts 40 entries instead of the whole vocabulary.
            if params.top_k > 0 {
                steps.push(LlamaSampler::top_k(params.top_k));
            }
            if params.top_p < 1.0 {
                steps.push(LlamaSampler::top_p(params.top_p, 1));
            }
            if params.min_p > 0.0 {
                steps.push(LlamaSampler::min_p(params.min_p, 1));
            }
            steps.push(LlamaSampler::temp(params.temperature));
            steps.push(draws(params.seed.unwrap_or(RANDOM_SEED), answer.len()));
        }
        Self { chain: LlamaSampler::chain(steps, true), grammar }
    }

    /// Chooses from the `output`th token of the batch that was decoded last.
    ///
    /// # Errors
    /// The answer can be held to its grammar no longer.
    pub fn sample(&mut self, context: &LlamaContext<'_>, output: i32) -> anyhow::Result<LlamaToken> {
        match &mut self.grammar {
            None => Ok(self.chain.sample(context, output)),
            Some(grammar) => grammar.sample(&mut self.chain, context, output),
        }
    }
}

/// The draws of a seed after the first `taken`. llama.cpp takes one for each token, between however many it chooses.
fn draws(seed: u32, taken: usize) -> LlamaSampler {
    let mut draws = LlamaSampler::dist(seed);
    for _ in 0..taken {
        draws.apply(&mut LlamaTokenDataArray::new(vec![LlamaTokenData::new(LlamaToken(0), 0.0, 0.0)], true));
    }
    draws
}

/// llama.cpp's `LLAMA_DEFAULT_SEED`: it draws a new one.
const RANDOM_SEED: u32 = u32::MAX;

/// `Err` is one sentence that names the first field that cannot be used.
pub fn check(params: &Sampling, output: &Output) -> Result<(), String> {
    let within = |name: &str, value: f32, range: RangeInclusive<f32>| match range.contains(&value) {
        true => Ok(()),
        false => Err(format!("`{name}` must be a number from {} to {}.", range.start(), range.end())),
    };
    within("temperature", params.temperature, limits::TEMPERATURE)?;
    within("top_p", params.top_p, limits::TOP_P)?;
    within("min_p", params.min_p, limits::MIN_P)?;
    within("repeat_penalty", params.repeat_penalty, limits::REPEAT_PENALTY)?;
    within("frequency_penalty", params.frequency_penalty, limits::FREQUENCY_PENALTY)?;
    within("presence_penalty", params.presence_penalty, limits::PRESENCE_PENALTY)?;
    if params.top_k < 0 {
        return Err("`top_k` must be 0 or more.".into());
    }
    if params.max_tokens == Some(0) {
        return Err("`max_tokens` must be 1 or more.".into());
    }
    if output.logprobs.is_some_and(|count| count > limits::LOGPROBS) {
        return Err(format!("`logprobs` must be at most {}.", limits::LOGPROBS));
    }
    if !limits::are_stops(&params.stop) {
        let (count, bytes) = (limits::STOPS, limits::STOP_BYTES);
        return Err(format!("`stop` must hold at most {count} strings of 1 to {bytes} bytes."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_used() {
        assert_eq!(check(&Sampling::default(), &Output::default()), Ok(()));
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named() {
        let bad = [
            ("temperature", Sampling { temperature: f32::NAN, ..Sampling::default() }),
            ("temperature", Sampling { temperature: -1.0, ..Sampling::default() }),
            ("top_p", Sampling { top_p: 1.5, ..Sampling::default() }),
            ("min_p", Sampling { min_p: f32::INFINITY, ..Sampling::default() }),
            ("top_k", Sampling { top_k: -1, ..Sampling::default() }),
            ("repeat_penalty", Sampling { repeat_penalty: 0.0, ..Sampling::default() }),
            ("max_tokens", Sampling { max_tokens: Some(0), ..Sampling::default() }),
            ("stop", Sampling { stop: vec![String::new()], ..Sampling::default() }),
        ];
        for (field, params) in bad {
            let message = check(&params, &Output::default()).unwrap_err();
            assert!(message.starts_with(&format!("`{field}`")), "{message}");
        }
    }
}
