//! What llama.cpp holds of the chats, and what of it the next prompt can use.
//!
//! Invariant: a sequence's `tokens` are exactly what llama.cpp's cache holds for it, because what is reused later is decided
//! by comparing them.

use llama_cpp_2::DecodeError;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::session::{LlamaStateSeqFlags, SeqState};
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::shelf::{Kept, Shelf};
use crate::slots::{self, Candidate, Placement, Source, common_prefix};

/// Owns llama.cpp's context with a sequence for each slot, and the shelf for what they hold no more.
pub struct Cache<'model> {
    context: LlamaContext<'model>,
    /// Whether a sequence can lose its end. Recurrent models know only where they are.
    can_cut: bool,
    sequences: Vec<Sequence>,
    shelf: Shelf<LlamaToken, SeqState>,
    uses: u64,
    /// llama.cpp copies from one sequence to another when it decodes next. Until then neither may be read or written in
    /// other ways.
    is_copying: bool,
}

/// One sequence of llama.cpp's cache; its number is its index.
#[derive(Default)]
struct Sequence {
    tokens: Vec<LlamaToken>,
    last_used: u64,
}

/// A sequence that is ready for a prompt.
pub struct Place {
    pub slot: usize,
    /// How many of the prompt's first tokens it has.
    pub reused: usize,
}

impl<'model> Cache<'model> {
    /// `shelf_bytes` of memory may be used for what no slot holds.
    pub fn new(model: &LlamaModel, context: LlamaContext<'model>, slots: u32, shelf_bytes: usize) -> Self {
        Self {
            context,
            can_cut: !(model.is_recurrent() || model.is_hybrid()),
            sequences: (0..slots).map(|_| Sequence::default()).collect(),
            shelf: Shelf::new(shelf_bytes),
            uses: 0,
            is_copying: false,
        }
    }

    /// For sampling.
    pub fn context(&self) -> &LlamaContext<'model> {
        &self.context
    }

    /// What `slot` holds.
    pub fn tokens(&self, slot: usize) -> &[LlamaToken] {
        &self.sequences[slot].tokens
    }

    /// Whether a slot can lose tokens that it should not hold in the end.
    pub fn can_cut(&self) -> bool {
        self.can_cut
    }

    /// Finds a slot for `prompt` among those that `is_idle`, and brings into it what there is of the prompt's beginning.
    /// `None` means to come again after the next step.
    ///
    /// The prompt's last token is never reused: computing it gives the probabilities of the first new token.
    pub fn place(&mut self, prompt: &[LlamaToken], is_idle: impl Fn(usize) -> bool) -> Option<Place> {
        let reusable = &prompt[..prompt.len().saturating_sub(1)];
        let candidates: Vec<_> = (self.sequences.iter().enumerate())
            .map(|(slot, Sequence { tokens, last_used })| Candidate {
                cached: tokens,
                idle: is_idle(slot),
                last_used: *last_used,
            })
            .collect();
        let Placement { slot, source, reused } =
            slots::place(reusable, &candidates, self.shelf.find(reusable, !self.can_cut))?;
        let stays = if source == Source::Slot(slot) { reused } else { 0 };
        let is_kept = slots::is_worth_keeping(self.tokens(slot).len(), self.held_elsewhere(slot).max(stays));
        if self.is_copying && (is_kept || matches!(source, Source::Shelf(_))) {
            return None;
        }
        // It is taken down first: what is put there now may displace it, or move it to another place.
        let taken = if let Source::Shelf(index) = source { self.shelf.take(index) } else { None };
        if is_kept {
            self.keep(slot);
        }
        let reused = match (source, taken) {
            (Source::Slot(source), _) => self.reuse(source, slot, reused),
            (Source::Shelf(_), Some(kept)) => self.restore(kept, slot, reused),
            (Source::Shelf(_), None) => self.empty(slot),
        };
        self.uses += 1;
        self.sequences[slot] = Sequence { tokens: prompt[..reused].to_vec(), last_used: self.uses };
        Some(Place { slot, reused })
    }

    /// Computes a batch. Whoever made it tells by [`Self::extend`] what each slot holds afterwards.
    pub fn decode(&mut self, batch: &mut LlamaBatch<'_>) -> Result<(), DecodeError> {
        self.is_copying = false;
        self.context.decode(batch)
    }

    /// `slot` holds these tokens behind the others.
    pub fn extend(&mut self, slot: usize, tokens: impl IntoIterator<Item = LlamaToken>) {
        self.sequences[slot].tokens.extend(tokens);
    }

    /// Removes what was computed in `slot` behind the tokens that it holds. Returns whether that was possible.
    pub fn cut_rest(&mut self, slot: usize) -> bool {
        self.cut(slot, self.tokens(slot).len())
    }

    /// Empties all slots, for when nothing is known of them any more. What is on the shelf stands apart from them.
    pub fn clear(&mut self) {
        self.context.clear_kv_cache();
        self.sequences.iter_mut().for_each(|sequence| sequence.tokens.clear());
    }

    /// How much of the beginning of what `slot` holds is held by others too.
    fn held_elsewhere(&self, slot: usize) -> usize {
        let tokens = &self.sequences[slot].tokens;
        let in_slots = (self.sequences.iter().enumerate())
            .filter(|(other, _)| *other != slot)
            .map(|(_, other)| common_prefix(tokens, &other.tokens));
        let on_shelf = self.shelf.find(tokens, !self.can_cut).map(|find| find.shared);
        in_slots.chain(on_shelf).max().unwrap_or(0)
    }

    /// Puts what `slot` holds onto the shelf.
    fn keep(&mut self, slot: usize) {
        let bytes = self.context.state_seq_get_size_ext(slot as i32, LlamaStateSeqFlags::empty());
        if !self.shelf.has_room_for(bytes) {
            return;
        }
        match self.context.state_seq_get(slot as i32, LlamaStateSeqFlags::empty()) {
            Ok(state) => self.shelf.put(Kept { tokens: self.sequences[slot].tokens.clone(), state, bytes }),
            Err(error) => tracing::warn!(%error, "what a slot has computed cannot be kept"),
        }
    }

    /// Makes `slot`'s sequence the first `len` tokens of what was kept. Returns how many it has in the end.
    fn restore(&mut self, kept: Kept<LlamaToken, SeqState>, slot: usize, len: usize) -> usize {
        // A state that cannot be read, of which nothing is known, is not put back.
        if let Err(error) = self.context.state_seq_set(&kept.state, slot as i32) {
            tracing::warn!(%error, "what was kept cannot be used");
            return self.empty(slot);
        }
        // Of layers that look back over a window a state has no more than that window: cut shorter, it would lack what came
        // before.
        if self.can_cut && self.context.kv_cache_seq_pos_min(slot as i32) > 0 {
            tracing::info!("this model has a sliding window: nothing is kept but what is in slots");
            self.shelf = Shelf::new(0);
            return self.empty(slot);
        }
        let is_whole = kept.tokens.len() == len;
        self.shelf.put(kept);
        if is_whole || self.cut(slot, len) { len } else { self.empty(slot) }
    }

    /// Makes `slot`'s sequence the first `len` tokens of `source`'s. Returns how many it has in the end:
    /// recurrent models cannot go back within a sequence, and start anew.
    fn reuse(&mut self, source: usize, slot: usize, len: usize) -> usize {
        let is_whole = self.tokens(source).len() == len;
        if source != slot {
            self.empty(slot);
            if len == 0 || !(is_whole || self.can_cut) {
                return 0;
            }
            self.is_copying = true;
            // Between the cells of two chats llama.cpp copies all or nothing.
            if self.context.kv_cache_seq_cp(source as i32, slot as i32, None, None).is_err() {
                return self.empty(slot);
            }
        }
        if is_whole || self.cut(slot, len) { len } else { self.empty(slot) }
    }

    fn cut(&mut self, slot: usize, len: usize) -> bool {
        self.context.kv_cache_seq_rm(slot as i32, Some(len as u32), None).is_ok()
    }

    /// Returns 0, which is how many tokens the sequence has then.
    fn empty(&mut self, slot: usize) -> usize {
        // Removing a whole sequence always succeeds.
        let _ = self.context.kv_cache_seq_rm(slot as i32, None, None);
        0
    }
}
