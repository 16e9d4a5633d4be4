use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_stream::stream;
use futures::StreamExt;

use super::{Admission, Entry};
use crate::engine::{ChatStream, Delta};

/// The right to be answered now. Dropping it lets the next request in.
pub struct Slot {
    admission: Arc<Admission>,
    entry: Entry,
    waited: Duration,
    /// Tokens that the answer has taken so far.
    used: u32,
}

impl Slot {
    pub(super) fn new(admission: Arc<Admission>, entry: Entry, since: Instant) -> Self {
        Self { admission, entry, waited: since.elapsed(), used: 0 }
    }

    /// The answer that is written in this slot, with its wait among what it says of itself. The slot is free when the
    /// answer has ended, and when nobody wants it any more.
    pub fn hold(self, mut answer: ChatStream) -> ChatStream {
        stream! {
            let mut slot = self;
            let end = loop {
                let Some(mut item) = answer.next().await else { break None };
                match &mut item {
                    // An engine that does not tell its tokens sends one a piece.
                    Ok(Delta::Text(piece)) => slot.used += piece.tokens.len().max(1) as u32,
                    Ok(Delta::Done(completion)) => {
                        let usage = completion.usage;
                        slot.used = usage.prompt_tokens.saturating_sub(usage.cached_tokens) + usage.completion_tokens;
                        completion.timings.queued_ms += slot.waited.as_secs_f64() * 1000.0;
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
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.admission.release(&self.entry, self.used);
    }
}
