use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use flotilla::engine::{
    ChatRequest, ChatStream, Completion, Delta, Engine, EngineError, FinishReason, Model, Piece, PromptMessage,
    PromptSize, Scripted, Timings, TokenLogprob, ToolCall, Usage,
};
use futures::{StreamExt, stream};

/// An engine that says these words and dies on the way. For a word such as `@now` it calls the function `now`, and for `@`
/// alone another one each time that it is asked. A word such as `?hm` it thinks, with the number of the attempt.
pub struct Mortal {
    words: &'static [&'static str],
    /// Whether it tells the tokens of its words, as the own engine does, and others do not.
    tells_tokens: bool,
    /// How many pieces it says in each life; after the last of them it does not die any more.
    lives: Mutex<VecDeque<usize>>,
    asked: Mutex<Vec<ChatRequest>>,
    models: Scripted,
}

impl Mortal {
    pub fn new(words: &'static [&'static str], lives: &[usize]) -> Arc<Self> {
        Arc::new(Self::telling(true, words, lives))
    }

    /// One that is told the text only.
    pub fn without_tokens(words: &'static [&'static str], lives: &[usize]) -> Arc<Self> {
        Arc::new(Self::telling(false, words, lives))
    }

    fn telling(tells_tokens: bool, words: &'static [&'static str], lives: &[usize]) -> Self {
        let lives = Mutex::new(lives.iter().copied().collect());
        Self { words, tells_tokens, lives, asked: Mutex::default(), models: Scripted::new(vec![]) }
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<ChatRequest> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Engine for Mortal {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        self.models.models().await
    }

    async fn ready(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }

    async fn measure(&self, _: &str, _: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        Ok(None)
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        let attempt = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.clone());
            asked.len()
        };
        let text_of =
            |words: &[&str]| words.iter().copied().filter(|word| !word.starts_with(['@', '?'])).collect::<String>();
        let mut said = 0;
        while text_of(&self.words[..said]) != request.answer_so_far.text {
            said += 1;
        }
        let before = if self.tells_tokens { said } else { 0 };
        let most = request.parameters.max_tokens.map_or(usize::MAX, |max| max as usize - before);
        let rest: Vec<_> = self.words.iter().enumerate().skip(said).take(most).collect();
        let completion = Completion {
            finish_reason: if rest.len() == most { FinishReason::Length } else { FinishReason::Stop },
            usage: Usage {
                prompt_tokens: 10 + (said - before) as u32,
                cached_tokens: 0,
                completion_tokens: (before + rest.len()) as u32,
            },
            timings: Timings::default(),
        };
        let (tells_tokens, logprobs) = (self.tells_tokens, request.output.logprobs);
        let pieces = rest.into_iter().flat_map(move |(number, word)| {
            if let Some(name) = word.strip_prefix('@') {
                let name = if name.is_empty() { format!("call_{attempt}") } else { name.to_owned() };
                let call = ToolCall { id: format!("{attempt}_{number}"), name, arguments: "{}".to_owned() };
                return vec![Ok(Delta::ToolCall(call))];
            }
            if let Some(thought) = word.strip_prefix('?') {
                return vec![Ok(Delta::Reasoning(format!("{thought} {attempt}. ")))];
            }
            let tokens = if tells_tokens { vec![number as i32] } else { Vec::new() };
            let logprob = TokenLogprob { bytes: word.as_bytes().to_vec(), logprob: 0.0, top: Vec::new() };
            let logprob = logprobs.map(|_| Ok(Delta::Logprobs(vec![logprob])));
            logprob.into_iter().chain([Ok(Delta::Text(Piece { text: (*word).to_owned(), tokens }))]).collect()
        });
        let answer = stream::iter(pieces.chain([Ok(Delta::Done(completion))]));
        Ok(match self.lives.lock().unwrap().pop_front() {
            Some(pieces) => answer.take(pieces).chain(stream::iter([Err(EngineError::Interrupted)])).boxed(),
            None => answer.boxed(),
        })
    }
}
