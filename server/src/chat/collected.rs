use futures::StreamExt;

use super::Answer;
use crate::{
    engine::{Completion, Delta, EngineError, TokenLogprob, ToolCall},
    error::Result,
};

/// An answer that was waited for to its end.
#[derive(Clone, Debug)]
pub struct Collected {
    /// Thoughts before the text, or between its parts.
    pub reasoning: String,
    pub text: String,
    pub tool_calls: Vec<ToolCall>,
    /// Of the tokens that the text consists of, where they were asked for.
    pub logprobs: Vec<TokenLogprob>,
    pub completion: Completion,
}

impl Answer {
    /// The whole answer.
    ///
    /// # Errors
    /// Those of the engine, in the middle of the answer too.
    pub async fn collect(mut self) -> Result<Collected> {
        let (mut reasoning, mut text, mut tool_calls) = (String::new(), String::new(), Vec::new());
        // Tokens that bring no text to the end are the stop text's, which is none of the answer.
        let (mut logprobs, mut without_text) = (Vec::new(), Vec::new());
        while let Some(delta) = self.stream.next().await {
            match delta? {
                Delta::Reasoning(thoughts) => reasoning.push_str(&thoughts),
                Delta::Logprobs(tokens) => without_text.extend(tokens),
                Delta::Text(piece) => {
                    text.push_str(&piece.text);
                    logprobs.append(&mut without_text);
                }
                Delta::ToolCall(call) => tool_calls.push(call),
                Delta::Done(completion) => {
                    return Ok(Collected { reasoning, text, tool_calls, logprobs, completion });
                }
            }
        }
        Err(EngineError::Interrupted.into())
    }
}
