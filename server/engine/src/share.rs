//! What one step computes: a share for each chat that has something to compute.

use std::time::Instant;

use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;

use crate::cache::Cache;
use crate::chat::Chat;
use crate::model::BATCH_TOKENS;

/// What one slot puts into the batch.
pub struct Share {
    pub slot: usize,
    /// How many of its pending tokens.
    pub tokens: usize,
    /// The place in the batch of the token to sample after, once all that was pending is in it.
    pub output: Option<i32>,
    /// What stands behind that place, in case that it is sampled.
    pub guess: Vec<LlamaToken>,
}

/// More chats than these gain more from each other than from guesses: the processor has enough to do at each pass over the
/// weights.
const GUESSING_CHATS: usize = 2;

/// Chats that decode go first, with one token each; `prompt_tokens` go to prompts in the order of their arrival. The shares are
/// in the order of the slots.
///
/// llama.cpp computes neighbours in one pass over the weights, but only where they stand in the batch by their numbers:
/// any other order costs a pass for each.
pub fn divide(chats: &[Option<Chat>], prompt_tokens: usize) -> Vec<Share> {
    let mut order: Vec<(bool, Instant, usize, usize)> = (chats.iter().enumerate())
        .filter_map(|(slot, chat)| chat.as_ref().map(|chat| (slot, chat)))
        .map(|(slot, chat)| (!chat.is_decoding(), chat.arrived(), slot, chat.pending.len()))
        .collect();
    order.sort_unstable();

    let decoding = order.iter().filter(|(prefilling, ..)| !prefilling).count();
    let mut room = (decoding + prompt_tokens).min(BATCH_TOKENS as usize);
    let mut shares = Vec::with_capacity(order.len());
    for (_, _, slot, pending) in order {
        let tokens = pending.min(room);
        room -= tokens;
        if tokens > 0 {
            shares.push(Share { slot, tokens, output: None, guess: Vec::new() });
        }
    }
    shares.sort_unstable_by_key(|share| share.slot);
    shares
}

/// Guesses what comes next, where few chats decode and nothing else is computed.
///
/// As much for each: llama.cpp computes two chats in one pass over the weights only as far as both have tokens.
pub fn guess(shares: &mut [Share], chats: &mut [Option<Chat>], cache: &Cache<'_>) {
    if shares.len() > GUESSING_CHATS || !cache.can_cut() || !chats.iter().flatten().all(Chat::is_decoding) {
        return;
    }
    for share in shares.iter_mut() {
        if let Some(chat) = &mut chats[share.slot] {
            share.guess = chat.guess(cache.tokens(share.slot));
        }
    }
    let least = shares.iter().map(|share| share.guess.len()).min().unwrap_or(0);
    shares.iter_mut().for_each(|share| share.guess.truncate(least));
}

/// Puts the shares into the batch.
pub fn fill(batch: &mut LlamaBatch<'_>, shares: &mut [Share], chats: &[Option<Chat>], cache: &Cache<'_>) {
    batch.clear();
    for share in shares {
        let Some(chat) = &chats[share.slot] else { continue };
        if share.tokens == chat.pending.len() {
            share.output = Some(batch.n_tokens() + share.tokens as i32 - 1);
        }
        for (offset, &token) in chat.pending[..share.tokens].iter().chain(&share.guess).enumerate() {
            let position = (cache.tokens(share.slot).len() + offset) as i32;
            let is_output = offset + 1 >= chat.pending.len();
            let added = batch.add(token, position, &[share.slot as i32], is_output);
            debug_assert!(added.is_ok(), "the room is counted");
        }
    }
}
