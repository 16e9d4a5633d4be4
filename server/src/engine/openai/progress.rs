use std::time::{Duration, Instant};

use super::wire;
use crate::engine::{Completion, Delta, FinishReason, Timings, ToolCall, Usage, new_call_id};

/// What is known of an answer so far. The API tells no times, so they are taken here.
pub struct Progress {
    started: Instant,
    first_token: Option<Instant>,
    last_token: Instant,
    pub finish_reason: Option<FinishReason>,
    usage: Usage,
    calls: Vec<ToolCall>,
}

/// More calls than one answer makes; an index beyond it is nonsense.
const MAX_CALLS: usize = 64;

impl Progress {
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            first_token: None,
            last_token: started,
            finish_reason: None,
            usage: Usage::default(),
            calls: Vec::new(),
        }
    }

    /// Notes what `chunk` tells and gives its thoughts and its text, the probabilities of which come before it.
    pub fn take(&mut self, chunk: wire::Chunk) -> Vec<Delta> {
        if let Some(usage) = chunk.usage {
            self.usage = Usage {
                prompt_tokens: usage.prompt_tokens,
                cached_tokens: usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
                completion_tokens: usage.completion_tokens,
            };
        }
        let Some(mut choice) = chunk.choices.into_iter().next() else { return Vec::new() };
        let reasoning = choice.delta.take_reasoning();
        if let Some(reason) = choice.finish_reason {
            self.finish_reason = Some(if reason == "length" { FinishReason::Length } else { FinishReason::Stop });
        }
        for piece in choice.delta.tool_calls.unwrap_or_default() {
            self.take_call(piece);
        }
        let logprobs = choice.logprobs.and_then(|logprobs| logprobs.content).unwrap_or_default();
        let text = choice.delta.content.or(choice.text).filter(|text| !text.is_empty());
        let only_thinks = reasoning.is_some() && text.is_none();
        if text.is_some() || only_thinks {
            self.last_token = Instant::now();
            self.first_token.get_or_insert(self.last_token);
        }
        let logprobs: Vec<_> = logprobs.into_iter().map(Into::into).collect();
        // Those of thoughts are of nothing that the answer has.
        let logprobs = (!logprobs.is_empty() && !only_thinks).then_some(Delta::Logprobs(logprobs));
        let text = text.map(|text| Delta::Text(text.into()));
        [reasoning.map(Delta::Reasoning), logprobs, text].into_iter().flatten().collect()
    }

    fn take_call(&mut self, piece: wire::ToolCallDelta) {
        if piece.index >= MAX_CALLS {
            return;
        }
        while self.calls.len() <= piece.index {
            self.calls.push(ToolCall { id: new_call_id(), name: String::new(), arguments: String::new() });
        }
        let call = &mut self.calls[piece.index];
        if let Some(id) = piece.id.filter(|id| !id.is_empty()) {
            call.id = id;
        }
        call.name.push_str(&piece.function.name.unwrap_or_default());
        call.arguments.push_str(&piece.function.arguments.unwrap_or_default());
    }

    /// The calls of the whole answer.
    pub fn calls(self) -> Vec<ToolCall> {
        self.calls
    }

    /// `None` while it is not known why the answer ended.
    pub fn completion(&self) -> Option<Completion> {
        let first_token = self.first_token.unwrap_or(self.last_token);
        Some(Completion {
            finish_reason: self.finish_reason?,
            usage: self.usage,
            timings: Timings {
                queued_ms: 0.0,
                prefill_ms: milliseconds(first_token - self.started),
                decode_ms: milliseconds(self.last_token - first_token),
            },
        })
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
