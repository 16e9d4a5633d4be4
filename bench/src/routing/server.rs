//! A simulated model server: prompts are computed one after the other, answers side by side, and what was computed stays in
//! a cache until there is no room for it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
};

use flotilla::engine::PromptMessage;

use super::conversation::BYTES_PER_TOKEN;

/// As vLLM keeps them.
const BLOCK_TOKENS: usize = 16;
pub const PREFILL_TOKENS_PER_SECOND: f64 = 4000.0;
pub const DECODE_TOKENS_PER_SECOND: f64 = 50.0;
/// Answers that are computed together; more wait.
pub const SLOTS: usize = 16;

pub struct Server {
    cache: Cache,
    /// Requests that have no slot yet, first come, first served.
    pub waiting: VecDeque<usize>,
    pub running: usize,
    /// When the prompts that were begun are all computed, in seconds.
    prefill_until: f64,
    pub requests: u64,
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
}

impl Server {
    pub fn new(cache_tokens: usize) -> Self {
        Self {
            cache: Cache::new(cache_tokens / BLOCK_TOKENS),
            waiting: VecDeque::new(),
            running: 0,
            prefill_until: 0.0,
            requests: 0,
            prompt_tokens: 0,
            cached_tokens: 0,
        }
    }

    /// Compute a prompt; says when its first token comes, in seconds.
    pub fn prefill(&mut self, hashing: &RandomState, messages: &[PromptMessage], now: f64) -> f64 {
        let blocks = blocks(hashing, messages);
        let tokens = length(messages) / BYTES_PER_TOKEN;
        let cached = self.cache.cached(&blocks) * BLOCK_TOKENS;
        self.cache.keep(&blocks);
        self.requests += 1;
        self.prompt_tokens += tokens as u64;
        self.cached_tokens += cached as u64;
        // The last token is computed in any case: it tells the next one.
        let computing = (tokens - cached).max(1) as f64 / PREFILL_TOKENS_PER_SECOND;
        self.prefill_until = self.prefill_until.max(now) + computing;
        self.prefill_until
    }

    /// An answer is computed too, and stays in the cache with its prompt.
    pub fn keep(&mut self, hashing: &RandomState, messages: &[PromptMessage]) {
        self.cache.keep(&blocks(hashing, messages));
    }
}

fn length(messages: &[PromptMessage]) -> usize {
    messages.iter().map(|message| message.content.len()).sum()
}

/// Each block with all before it, as one number.
fn blocks(hashing: &RandomState, messages: &[PromptMessage]) -> Vec<u64> {
    let prompt: String = messages.iter().map(|message| message.content.as_str()).collect();
    let blocks = prompt.as_bytes().chunks_exact(BLOCK_TOKENS * BYTES_PER_TOKEN);
    let chain = blocks.scan(0, |before, block| {
        *before = hashing.hash_one((*before, block));
        Some(*before)
    });
    chain.collect()
}

/// The least recently used block goes first, and of one prompt the last.
struct Cache {
    capacity: usize,
    used: HashMap<u64, u64>,
    by_use: BTreeMap<u64, u64>,
    clock: u64,
}

impl Cache {
    fn new(capacity: usize) -> Self {
        Self { capacity, used: HashMap::new(), by_use: BTreeMap::new(), clock: 0 }
    }

    /// How many of the first blocks are there.
    fn cached(&self, blocks: &[u64]) -> usize {
        blocks.iter().take_while(|block| self.used.contains_key(block)).count()
    }

    fn keep(&mut self, blocks: &[u64]) {
        for block in blocks.iter().rev() {
            self.clock += 1;
            if let Some(before) = self.used.insert(*block, self.clock) {
                self.by_use.remove(&before);
            }
            self.by_use.insert(self.clock, *block);
        }
        while self.used.len() > self.capacity
            && let Some((_, block)) = self.by_use.pop_first()
        {
            self.used.remove(&block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_prompts_the_one_that_was_not_used_for_longer_goes_from_its_end() {
        let mut cache = Cache::new(5);
        cache.keep(&[1, 2, 3]);
        cache.keep(&[4, 5, 6]);

        assert_eq!((cache.cached(&[1, 2, 3]), cache.cached(&[4, 5, 6])), (2, 3));
    }
}
