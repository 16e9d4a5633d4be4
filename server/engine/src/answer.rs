//! The text of one answer while its tokens come: what of it can be given out, and where it ends.

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;
use thiserror::Error;

use crate::protocol::{FinishReason, Piece};
use crate::stop::{Scanned, StopScanner};
use crate::text::Utf8Assembler;

/// Tokens become whole characters here, and a stop string or the greatest number of tokens ends them.
pub struct AnswerText {
    characters: Utf8Assembler,
    stop: StopScanner,
    tokens: u32,
    max_tokens: u32,
}

/// The tokens of an answer's beginning do not say its text, so another model has chosen them.
#[derive(Debug, Error)]
#[error("`answer_so_far` is not of this model: its tokens say something else than its text.")]
pub struct OfAnotherModel;

impl AnswerText {
    /// `stop` must not contain an empty string.
    pub fn new(stop: Vec<String>, max_tokens: u32) -> Self {
        Self { characters: Utf8Assembler::default(), stop: StopScanner::new(stop), tokens: 0, max_tokens }
    }

    /// How many tokens the answer has.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Takes the next token. Returns the text that it completes, and why the answer ends with it, if it does.
    ///
    /// The model's end-of-turn token counts as generated, as it does in llama.cpp's own server.
    pub fn push(&mut self, token: LlamaToken, vocab: &LlamaVocab<'_>) -> (String, Option<FinishReason>) {
        self.tokens += 1;
        if vocab.is_eog(token) {
            return (String::new(), Some(FinishReason::Stop));
        }
        let text = self.characters.push(&vocab.token_to_piece(token, false, None));
        match self.stop.push(&text) {
            Scanned::Stopped(text) => (text, Some(FinishReason::Stop)),
            Scanned::Text(text) => (text, (self.tokens >= self.max_tokens).then_some(FinishReason::Length)),
        }
    }

    /// What was held back, once the answer has ended.
    pub fn finish(&mut self) -> String {
        let unfinished_character = std::mem::take(&mut self.characters).finish();
        let (Scanned::Text(text) | Scanned::Stopped(text)) = self.stop.push(&unfinished_character);
        text + &self.stop.finish()
    }

    /// Takes the tokens of a beginning that another process has made, and so comes to hold back what that one did. Returns
    /// the text that is not given out yet, and why the answer had ended, if it had.
    pub fn replay(
        &mut self,
        beginning: &Piece,
        vocab: &LlamaVocab<'_>,
    ) -> Result<(String, Option<FinishReason>), OfAnotherModel> {
        let mut said = String::new();
        let mut ended = None;
        for &token in &beginning.tokens {
            if ended.is_some() || !(0..vocab.n_tokens()).contains(&token) {
                return Err(OfAnotherModel);
            }
            let (text, reason) = self.push(LlamaToken(token), vocab);
            said.push_str(&text);
            ended = reason;
        }
        if ended.is_some() {
            said.push_str(&self.finish());
        }
        // The one character that not every database keeps does not count.
        let rest = without_nul(&said).strip_prefix(&without_nul(&beginning.text)).map(str::to_owned);
        Ok((rest.ok_or(OfAnotherModel)?, ended))
    }
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}
