use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_stream::stream;
use futures::StreamExt;

use super::{Admission, Entry};
use crate::engine::{ChatStream, Delta};

/// The right to be answered now. Dropping it, and those that share it, lets the next request in.
#[derive(Clone)]
pub struct Slot(Arc<Held>);

struct Held {
    admission: Arc<Admission>,
    entry: Entry,
    waited: Duration,
    /// Tokens that were taken so far.
    used: AtomicU32,
}

impl Slot {
    pub(super) fn new(admission: Arc<Admission>, entry: Entry, since: Instant) -> Self {
        Self(Arc::new(Held { admission, entry, waited: since.elapsed(), used: AtomicU32::new(0) }))
    }

    /// The answer that is written in this slot, with its wait among what it says of itself. It gives the slot back when it has
    /// ended, and when nobody wants it any more.
    pub fn hold(self, mut answer: ChatStream) -> ChatStream {
        stream! {
            let slot = self;
            let mut used = 0;
            let end = loop {
                let Some(mut item) = answer.next().await else { break None };
                match &mut item {
                    Ok(Delta::Text(piece)) => {
                        // An engine that does not tell its tokens sends one a piece.
                        let tokens = piece.tokens.len().max(1) as u32;
                        used += tokens;
                        slot.count(tokens);
                    }
                    Ok(Delta::Reasoning(_)) => {
                        used += 1;
                        slot.count(1);
                    }
                    Ok(Delta::Logprobs(_) | Delta::ToolCall(_)) => {}
                    Ok(Delta::Done(completion)) => {
                        let usage = completion.usage;
                        let all = usage.prompt_tokens.saturating_sub(usage.cached_tokens) + usage.completion_tokens;
                        slot.count(all.saturating_sub(used));
                        completion.timings.queued_ms += slot.0.waited.as_secs_f64() * 1000.0;
                        break Some(item);
                    }
                    Err(_) => break Some(item),
                }
                yield item;
            };
            // Not only when the reader has taken note of the end: it may be slow.
            drop(slot);
            if let Some(end) = end {
                yield end;
            }
        }
        .boxed()
    }

    fn count(&self, tokens: u32) {
        self.0.used.fetch_add(tokens, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.admission.release(&self.entry, self.used.load(Ordering::Relaxed));
    }
}
