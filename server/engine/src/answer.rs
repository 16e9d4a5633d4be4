//! One answer while its tokens come: what of it can be given out, and where it ends.

use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;
use thiserror::Error;

use crate::protocol::{FinishReason, Piece};
use crate::stop::{Scanned, StopScanner};
use crate::text::Utf8Assembler;
use crate::tools::{Said, ToolScanner};

/// Tokens become whole characters and whole calls here, and a stop string, the only call that there may be or the greatest
/// number of tokens ends them.
pub struct AnswerText {
    characters: Utf8Assembler,
    stop: StopScanner,
    tools: Option<ToolScanner>,
    tokens: u32,
    max_tokens: u32,
}

/// What comes of the beginning of an answer.
#[derive(Debug)]
pub struct Replayed {
    /// What was not given out yet.
    pub said: Vec<Said>,
    /// Why the answer had ended, if it had.
    pub ended: Option<FinishReason>,
}

/// The tokens of an answer's beginning do not say its text, so another model has chosen them.
#[derive(Debug, Error)]
#[error("`answer_so_far` is not of this model: its tokens say something else than its text.")]
pub struct OfAnotherModel;

impl AnswerText {
    /// `stop` must not contain an empty string; `tools` reads the calls, where there may be some.
    pub fn new(stop: Vec<String>, tools: Option<ToolScanner>, max_tokens: u32) -> Self {
        Self { characters: Utf8Assembler::default(), stop: StopScanner::new(stop), tools, tokens: 0, max_tokens }
    }

    /// How many tokens the answer has.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// How many more tokens there may be.
    pub fn room(&self) -> u32 {
        self.max_tokens.saturating_sub(self.tokens)
    }

    /// Takes the next token. Returns what it completes, and why the answer ends with it, if it does.
    ///
    /// The model's end-of-turn token counts as generated, as it does in llama.cpp's own server.
    pub fn push(&mut self, token: LlamaToken, vocab: &LlamaVocab<'_>) -> (Vec<Said>, Option<FinishReason>) {
        self.tokens += 1;
        if vocab.is_eog(token) {
            return (Vec::new(), Some(FinishReason::Stop));
        }
        let text = self.characters.push(&vocab.token_to_piece(token, false, None));
        match self.stop.push(&text) {
            Scanned::Stopped(text) => (self.read(text), Some(FinishReason::Stop)),
            Scanned::Text(text) => {
                let said = self.read(text);
                (said, self.end())
            }
        }
    }

    /// What was held back, once the answer has ended.
    pub fn finish(&mut self) -> Vec<Said> {
        let unfinished_character = std::mem::take(&mut self.characters).finish();
        let (Scanned::Text(text) | Scanned::Stopped(text)) = self.stop.push(&unfinished_character);
        let held_back = self.stop.finish();
        let mut said = self.read(text + &held_back);
        said.extend(self.tools.as_mut().map(ToolScanner::finish).into_iter().flatten());
        said
    }

    /// Takes the tokens of a beginning that another process has made, and so comes to hold back what that one did.
    ///
    /// Calls that stand behind the text of the beginning are said again: whether they were given out it does not tell.
    pub fn replay(&mut self, beginning: &Piece, vocab: &LlamaVocab<'_>) -> Result<Replayed, OfAnotherModel> {
        let mut said = Vec::new();
        let mut ended = None;
        for &token in &beginning.tokens {
            if ended.is_some() || !(0..vocab.n_tokens()).contains(&token) {
                return Err(OfAnotherModel);
            }
            let (next, reason) = self.push(LlamaToken(token), vocab);
            said.extend(next);
            ended = reason;
        }
        if ended.is_some() {
            said.extend(self.finish());
        }
        Ok(Replayed { said: behind(&beginning.text, said)?, ended })
    }

    /// Why the answer ends here, if it does.
    fn end(&self) -> Option<FinishReason> {
        if self.tools.as_ref().is_some_and(ToolScanner::has_ended) {
            return Some(FinishReason::Stop);
        }
        (self.tokens >= self.max_tokens).then_some(FinishReason::Length)
    }

    fn read(&mut self, text: String) -> Vec<Said> {
        match &mut self.tools {
            _ if text.is_empty() => Vec::new(),
            Some(tools) => tools.push(&text),
            None => vec![Said::Text(text)],
        }
    }
}

/// What of `said` comes behind `text`, with which it has to begin.
fn behind(text: &str, said: Vec<Said>) -> Result<Vec<Said>, OfAnotherModel> {
    // The one character that not every database keeps does not count.
    let text = without_nul(text);
    let mut known = text.as_str();
    let mut rest = Vec::new();
    for next in said {
        match next {
            Said::Text(next) => {
                let next = without_nul(&next);
                if let Some(left) = known.strip_prefix(&next) {
                    known = left;
                } else {
                    rest.push(Said::Text(next.strip_prefix(known).ok_or(OfAnotherModel)?.to_owned()));
                    known = "";
                }
            }
            Said::Call { .. } if !known.is_empty() => {}
            call @ Said::Call { .. } => rest.push(call),
        }
    }
    if known.is_empty() { Ok(rest) } else { Err(OfAnotherModel) }
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Said {
        Said::Text(text.to_owned())
    }

    fn call() -> Said {
        Said::Call { name: "now".to_owned(), arguments: "{}".to_owned() }
    }

    #[test]
    fn what_is_behind_a_text_is_its_rest_and_the_calls_after_it() {
        let said = || vec![text("Let me"), text(" see."), call(), text("Done.")];

        assert_eq!(behind("", said()).unwrap(), said());
        assert_eq!(behind("Let m", said()).unwrap(), [text("e"), text(" see."), call(), text("Done.")]);
        assert_eq!(behind("Let me see.", said()).unwrap(), [call(), text("Done.")]);
        assert_eq!(behind("Let me see.Do", said()).unwrap(), [text("ne.")]);
        assert_eq!(behind("Let me see.Done.", said()).unwrap(), []);
    }

    #[test]
    fn a_text_that_is_not_what_was_said_is_of_another_model() {
        for other in ["Let us", "Let me see.Done. And more"] {
            assert!(behind(other, vec![text("Let me see."), call(), text("Done.")]).is_err(), "{other}");
        }
    }
}
