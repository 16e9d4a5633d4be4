//! One answer being made: from a prompt's tokens to text events and the final counts.

use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::answer::AnswerText;
use crate::grammar::Grammar;
use crate::guess::Guesses;
use crate::protocol::{Event, FinishReason, Sampling, Timings, TokenLogprob, Usage};
use crate::sampling::TokenSampler;
use crate::tools::Said;

/// A request that waits for a slot.
pub struct Request {
    pub id: String,
    /// The prompt, and behind it the tokens of an answer that is continued; shorter than the context.
    pub tokens: Vec<LlamaToken>,
    pub prompt_tokens: usize,
    /// What is known of the answer.
    pub text: AnswerText,
    pub params: Sampling,
    /// As far as the answer has come.
    pub grammar: Option<Grammar>,
    /// How many alternatives are told with each token's log probability, if that is asked for.
    pub logprobs: Option<u32>,
    pub arrived: Instant,
}

/// A request that has a slot.
pub struct Chat {
    pub id: String,
    /// Tokens that are still to be computed: the rest of the prompt, then the one sampled last.
    pub pending: Vec<LlamaToken>,
    pub sampler: TokenSampler,
    pub logprobs: Option<u32>,
    guesses: Guesses,
    /// How many tokens were guessed.
    guessed: u32,
    text: AnswerText,
    /// Tokens since the last text event.
    unnamed: Vec<i32>,
    usage: Usage,
    arrived: Instant,
    started: Instant,
    first_token: Option<Instant>,
}

impl Request {
    /// The end of a request that never gets a slot: it was cancelled, or its answer had ended before.
    pub fn end(self, finish_reason: FinishReason) -> Event {
        let queued = self.arrived.elapsed();
        Event::Done {
            id: self.id,
            finish_reason,
            usage: Usage {
                prompt_tokens: self.prompt_tokens as u32,
                cached_tokens: 0,
                completion_tokens: self.text.tokens(),
            },
            timings: Timings { queued_ms: milliseconds(queued), ..Timings::default() },
            guessed: 0,
        }
    }
}

impl Chat {
    /// `reused` tokens of the request are in the cache already; at most `guess_tokens` are guessed at a time.
    pub fn start(
        mut request: Request,
        reused: usize,
        vocabulary_size: i32,
        context_length: u32,
        guess_tokens: u32,
    ) -> Self {
        let (prompt, answer) = request.tokens.split_at(request.prompt_tokens);
        let cached_tokens = reused.min(request.prompt_tokens) as u32;
        Self {
            sampler: TokenSampler::new(
                &request.params,
                request.grammar,
                prompt,
                answer,
                vocabulary_size,
                context_length,
            ),
            logprobs: request.logprobs,
            guesses: Guesses::new(guess_tokens),
            guessed: 0,
            pending: request.tokens.split_off(reused),
            id: request.id,
            text: request.text,
            unnamed: Vec::new(),
            usage: Usage { prompt_tokens: request.prompt_tokens as u32, cached_tokens, completion_tokens: 0 },
            arrived: request.arrived,
            started: Instant::now(),
            first_token: None,
        }
    }

    /// Whether the prompt is computed and each step adds one token.
    pub fn is_decoding(&self) -> bool {
        self.first_token.is_some()
    }

    /// When the request arrived, for taking turns.
    pub fn arrived(&self) -> Instant {
        self.arrived
    }

    /// What may come behind the token that is pending, which is the only one; `computed` is what stands before it.
    pub fn guess(&mut self, computed: &[LlamaToken]) -> Vec<LlamaToken> {
        // The last token that there may be is not computed.
        let room = self.text.room().saturating_sub(1) as usize;
        self.pending.first().map_or(Vec::new(), |last| self.guesses.make(computed, last, room))
    }

    /// Learns that of `made` guesses the first `right` were right.
    pub fn learn(&mut self, made: usize, right: usize) {
        self.guesses.learn(made, right);
        self.guessed += right as u32;
    }

    /// Takes the token that was sampled. Returns why the answer ends here, if it does.
    pub fn accept(
        &mut self,
        token: LlamaToken,
        logprob: Option<TokenLogprob>,
        model: &LlamaModel,
        events: &mut Vec<Event>,
    ) -> Option<FinishReason> {
        self.first_token.get_or_insert_with(Instant::now);
        self.unnamed.push(token.0);
        let vocab = model.vocab();
        // The token that ends the turn is no part of the text.
        let logprob = logprob.filter(|_| !vocab.is_eog(token));
        events.extend(logprob.map(|token| Event::Logprobs { id: self.id.clone(), tokens: vec![token] }));
        let (said, ended) = self.text.push(token, &vocab);
        self.push(said, events);
        if ended.is_none() {
            self.pending.push(token);
        }
        ended
    }

    /// Gives out the text that was held back, then the counts.
    pub fn finish(mut self, finish_reason: FinishReason, events: &mut Vec<Event>) {
        let held_back = self.text.finish();
        self.push(held_back, events);

        let ended = Instant::now();
        let first_token = self.first_token.unwrap_or(ended);
        events.push(Event::Done {
            id: self.id,
            finish_reason,
            usage: Usage { completion_tokens: self.text.tokens(), ..self.usage },
            timings: Timings {
                queued_ms: milliseconds(self.started - self.arrived),
                prefill_ms: milliseconds(first_token - self.started),
                decode_ms: milliseconds(ended - first_token),
            },
            guessed: self.guessed,
        });
    }

    fn push(&mut self, said: Vec<Said>, events: &mut Vec<Event>) {
        for said in said {
            let tokens = if matches!(said, Said::Text(_)) { std::mem::take(&mut self.unnamed) } else { Vec::new() };
            events.push(said.into_event(&self.id, tokens));
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
