//! One answer being made: from a prompt's tokens to text events and the final counts.

use std::time::{Duration, Instant};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::grammar::Grammar;
use crate::protocol::{Event, FinishReason, Sampling, Timings, TokenLogprob, Usage};
use crate::sampling::TokenSampler;
use crate::stop::{Scanned, StopScanner};
use crate::text::Utf8Assembler;
use crate::tools::{Said, ToolFormat, ToolScanner};

/// A request that waits for a slot.
pub struct Request {
    pub id: String,
    pub prompt: Vec<LlamaToken>,
    pub params: Sampling,
    pub grammar: Option<Grammar>,
    /// How calls look in the answer, where there may be some.
    pub tool_format: Option<ToolFormat>,
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
    text: Utf8Assembler,
    stop: StopScanner,
    tools: Option<ToolScanner>,
    max_tokens: u32,
    usage: Usage,
    arrived: Instant,
    started: Instant,
    first_token: Option<Instant>,
}

impl Request {
    /// The end of a request that never got a slot.
    pub fn cancelled(self) -> Event {
        let queued = self.arrived.elapsed();
        Event::Done {
            id: self.id,
            finish_reason: FinishReason::Cancelled,
            usage: Usage { prompt_tokens: self.prompt.len() as u32, ..Usage::default() },
            timings: Timings { queued_ms: milliseconds(queued), ..Timings::default() },
        }
    }
}

impl Chat {
    /// `reused` tokens of the prompt are in the cache already. The prompt is shorter than `context_length`.
    pub fn start(mut request: Request, reused: usize, vocabulary_size: i32, context_length: u32) -> Self {
        let prompt_tokens = request.prompt.len() as u32;
        let room = context_length - prompt_tokens;
        Self {
            sampler: TokenSampler::new(
                &request.params,
                request.grammar,
                &request.prompt,
                vocabulary_size,
                context_length,
            ),
            logprobs: request.logprobs,
            pending: request.prompt.split_off(reused),
            id: request.id,
            text: Utf8Assembler::default(),
            stop: StopScanner::new(request.params.stop),
            tools: request.tool_format.map(ToolScanner::new),
            max_tokens: request.params.max_tokens.map_or(room, |max| max.min(room)),
            usage: Usage { prompt_tokens, cached_tokens: reused as u32, completion_tokens: 0 },
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

    /// Takes the token that was sampled. Returns why the answer ends here, if it does.
    ///
    /// The model's end-of-turn token counts as generated, as it does in llama.cpp's own server.
    pub fn accept(
        &mut self,
        token: LlamaToken,
        logprob: Option<TokenLogprob>,
        model: &LlamaModel,
        events: &mut Vec<Event>,
    ) -> Option<FinishReason> {
        self.first_token.get_or_insert_with(Instant::now);
        self.usage.completion_tokens += 1;
        let vocab = model.vocab();
        if vocab.is_eog(token) {
            return Some(FinishReason::Stop);
        }
        events.extend(logprob.map(|token| Event::Logprobs { id: self.id.clone(), tokens: vec![token] }));
        let text = self.text.push(&vocab.token_to_piece(token, false, None));
        match self.stop.push(&text) {
            Scanned::Stopped(text) => {
                self.push_text(text, events);
                return Some(FinishReason::Stop);
            }
            Scanned::Text(text) => self.push_text(text, events),
        }
        if self.usage.completion_tokens >= self.max_tokens {
            return Some(FinishReason::Length);
        }
        self.pending.push(token);
        None
    }

    /// Gives out the text that was held back, then the counts.
    pub fn finish(mut self, finish_reason: FinishReason, events: &mut Vec<Event>) {
        let unfinished_character = std::mem::take(&mut self.text).finish();
        let (Scanned::Text(text) | Scanned::Stopped(text)) = self.stop.push(&unfinished_character);
        let held_back = self.stop.finish();
        self.push_text(text + &held_back, events);
        let unfinished_call = self.tools.as_mut().map(ToolScanner::finish);
        self.push_said(unfinished_call.into_iter().flatten(), events);

        let ended = Instant::now();
        let first_token = self.first_token.unwrap_or(ended);
        events.push(Event::Done {
            id: self.id,
            finish_reason,
            usage: self.usage,
            timings: Timings {
                queued_ms: milliseconds(self.started - self.arrived),
                prefill_ms: milliseconds(first_token - self.started),
                decode_ms: milliseconds(ended - first_token),
            },
        });
    }

    fn push_text(&mut self, text: String, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        let said = match &mut self.tools {
            Some(scanner) => scanner.push(&text),
            None => vec![Said::Text(text)],
        };
        self.push_said(said, events);
    }

    fn push_said(&self, said: impl IntoIterator<Item = Said>, events: &mut Vec<Event>) {
        let id = || self.id.clone();
        events.extend(said.into_iter().map(|said| match said {
            Said::Text(text) => Event::Text { id: id(), text, tokens: self.usage.completion_tokens },
            Said::Call { name, arguments } => Event::ToolCall { id: id(), name, arguments },
        }));
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
