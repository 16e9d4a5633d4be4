//! A request's place at a replica: it counts there from the choice until the answer ends or nobody wants it any more.

use std::{sync::Arc, time::Duration};

use async_stream::stream;
use futures::StreamExt;
use tokio::time::Instant;

use super::replica::Replica;
use crate::engine::{ChatStream, Delta, EngineError};

/// Why a replica was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenBy {
    /// It has the beginning of the prompt in its cache.
    Prefix,
    /// It was the better of two.
    Load,
    /// To find out whether it is back.
    Probe,
}

impl ChosenBy {
    pub const ALL: [Self; 3] = [Self::Prefix, Self::Load, Self::Probe];
}

/// How long an engine may be silent before its caller gives up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub first_token: Duration,
    pub between_tokens: Duration,
}

/// Callers begin to wait a moment before the replica is asked.
const NEARLY: f64 = 0.95;

pub struct Place {
    replica: Arc<Replica>,
    reason: ChosenBy,
    patience: Patience,
    /// Still to be computed, as far as one can guess.
    prompt_tokens: u64,
    answer_tokens: u64,
    /// Since the request was sent, or the last piece came.
    waiting_since: Instant,
    has_text: bool,
    has_ended: bool,
}

impl Place {
    pub(super) fn take(
        replica: Arc<Replica>,
        reason: ChosenBy,
        prompt_tokens: u64,
        answer_tokens: u64,
        patience: Patience,
    ) -> Self {
        replica.give(prompt_tokens + answer_tokens, reason);
        Self {
            replica,
            reason,
            patience,
            prompt_tokens,
            answer_tokens,
            waiting_since: Instant::now(),
            has_text: false,
            has_ended: false,
        }
    }

    pub fn replica(&self) -> &Arc<Replica> {
        &self.replica
    }

    /// Whether the replica was chosen to find out whether it is back.
    pub(super) fn is_probe(&self) -> bool {
        self.reason == ChosenBy::Probe
    }

    /// The same answer, counted. The place is free when the stream has ended or is dropped.
    pub fn hold(mut self, mut answer: ChatStream) -> ChatStream {
        stream! {
            while let Some(item) = answer.next().await {
                self.see(&item);
                yield item;
            }
            drop(self);
        }
        .boxed()
    }

    /// It was answered at once and in whole.
    pub fn answered(mut self) {
        self.end(Ok(()));
    }

    /// The replica has refused the request, or died of it.
    pub fn refused(mut self, error: &EngineError) {
        self.end(Err(error));
    }

    fn see(&mut self, item: &Result<Delta, EngineError>) {
        match item {
            Ok(Delta::Done(_)) => self.end(Ok(())),
            Ok(Delta::Reasoning(_) | Delta::Text(_) | Delta::ToolCall(_)) => self.count_piece(),
            // They come beside the text.
            Ok(Delta::Logprobs(_)) => {}
            Err(error) => self.end(Err(error)),
        }
    }

    /// A piece is a token, or nearly one. With the first of them the prompt is computed.
    pub fn count_piece(&mut self) {
        self.waiting_since = Instant::now();
        if !self.has_text {
            self.has_text = true;
            self.replica.relieve(std::mem::take(&mut self.prompt_tokens));
            if self.is_probe() {
                self.replica.succeeded();
            }
        }
        // While the answer goes on at least one is to come.
        if self.answer_tokens > 1 {
            self.answer_tokens -= 1;
            self.replica.relieve(1);
        }
    }

    fn end(&mut self, outcome: Result<(), &EngineError>) {
        let now = Instant::now();
        match outcome {
            Ok(()) => self.replica.succeeded(),
            Err(error) => match error {
                EngineError::Unavailable(_)
                | EngineError::Timeout
                | EngineError::Interrupted
                | EngineError::Internal(_) => self.replica.failed(now),
                EngineError::Overloaded(_) => self.replica.is_busy(now),
                // It works: the request does not.
                EngineError::UnknownModel(_)
                | EngineError::ContextLengthExceeded
                | EngineError::InvalidRequest(_)
                | EngineError::InUse(_)
                | EngineError::TooLarge { .. }
                | EngineError::KeptElsewhere
                | EngineError::UnusableSchema(_)
                | EngineError::UnusableTools(_)
                | EngineError::ToolsUnsupported
                | EngineError::Unsupported { .. } => self.replica.succeeded(),
            },
        }
        self.release(now);
    }

    fn release(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.replica.release(self.prompt_tokens + self.answer_tokens);
            if self.is_probe() {
                self.replica.abandon_probe(now);
            }
        }
    }
}

impl Drop for Place {
    /// The caller has left: because he wanted no more, or because he waited in vain.
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let now = Instant::now();
        let limit = if self.has_text { self.patience.between_tokens } else { self.patience.first_token };
        if now.saturating_duration_since(self.waiting_since) >= limit.mul_f64(NEARLY) {
            self.replica.failed(now);
        }
        self.release(now);
    }
}
