//! Which replica has computed which beginnings of prompts. A model server keeps what it has computed and skips it when
//! a prompt begins in the same way, but it tells nobody what it keeps: this is a guess from what it was sent.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
    mem, slice,
    time::Duration,
};

use foldhash::fast::{FoldHasher, RandomState};
use tokio::time::Instant;

use crate::engine::{Output, Prompt, PromptMessage, Role};

/// Bytes of a prompt that are cached together or not at all, as far as we look; some sixty tokens.
const BLOCK: usize = 256;
pub const BYTES_PER_TOKEN: usize = 4;
/// What comes behind so many blocks is not looked at.
const MAX_BLOCKS: usize = 1024;
/// Blocks that are remembered in each of the two halves of the lifetime; some megabytes.
const MAX_REMEMBERED: usize = 1 << 16;

/// A prompt as a chain of blocks: equal hashes mean that everything up to there is equal.
pub struct Prefix {
    blocks: Vec<u64>,
    /// Of the whole prompt, by its length.
    tokens: u64,
}

impl Prefix {
    /// The beginning of what the model server makes of `prompt` and of the functions of `output`. Its template is not known here,
    /// and does not have to be: messages that begin alike are prompts that begin alike. Most templates tell of functions behind
    /// the instructions. A schema is in no prompt: servers hold the answer to it token by token.
    pub fn new(hashing: &RandomState, model: &str, prompt: &Prompt, output: &Output) -> Self {
        let mut chain = Chain::of(hashing, model);
        match prompt {
            Prompt::Text(text) => chain.add(Part::Text, text),
            Prompt::Messages(messages) => {
                let has_instructions = messages.first().is_some_and(|first| first.role == Role::System);
                let (instructions, rest) = messages.split_at(usize::from(has_instructions));
                chain.add_messages(instructions);
                chain.add_functions(output);
                chain.add_messages(rest);
            }
        }
        Self { tokens: (chain.length / BYTES_PER_TOKEN) as u64, blocks: chain.blocks }
    }

    /// A prompt of which nothing but its length matters.
    pub fn of_unknown(tokens: u64) -> Self {
        Self { blocks: Vec::new(), tokens }
    }

    /// How many tokens a replica has to compute that has these first blocks in its cache.
    pub fn tokens_behind(&self, blocks: usize) -> u64 {
        self.tokens.saturating_sub((blocks * BLOCK / BYTES_PER_TOKEN) as u64)
    }
}

/// What a text is in its prompt: the same text elsewhere makes another prompt.
enum Part {
    Text,
    Message(Role),
    Call,
    Arguments,
    Function,
    Description,
    Schema,
}

/// The blocks of a prompt as its texts come.
struct Chain {
    hasher: FoldHasher<'static>,
    blocks: Vec<u64>,
    /// Bytes until the block is full.
    room: usize,
    length: usize,
}

impl Chain {
    fn of(hashing: &RandomState, model: &str) -> Self {
        let mut hasher = hashing.build_hasher();
        hasher.write(model.as_bytes());
        Self { hasher, blocks: Vec::new(), room: BLOCK, length: 0 }
    }

    fn add_messages(&mut self, messages: &[PromptMessage]) {
        for message in messages {
            self.add(Part::Message(message.role), &message.content);
            for call in &message.tool_calls {
                self.add(Part::Call, &call.name);
                self.add(Part::Arguments, &call.arguments);
            }
        }
    }

    fn add_functions(&mut self, output: &Output) {
        for function in output.tools.iter().flat_map(|tools| &tools.functions) {
            self.add(Part::Function, &function.name);
            self.add(Part::Description, function.description.as_deref().unwrap_or_default());
            if let Some(parameters) = &function.parameters {
                self.add(Part::Schema, &parameters.to_string());
            }
        }
    }

    fn add(&mut self, part: Part, text: &str) {
        self.hasher.write_u8(match part {
            Part::Text => 0,
            Part::Message(Role::System) => 1,
            Part::Message(Role::User) => 2,
            Part::Message(Role::Assistant) => 3,
            Part::Message(Role::Tool) => 4,
            Part::Call => 5,
            Part::Arguments => 6,
            Part::Function => 7,
            Part::Description => 8,
            Part::Schema => 9,
        });
        self.length += text.len();
        let mut text = text.as_bytes();
        while !text.is_empty() && self.blocks.len() < MAX_BLOCKS {
            let (begin, rest) = text.split_at(text.len().min(self.room));
            self.hasher.write(begin);
            self.room -= begin.len();
            text = rest;
            if self.room == 0 {
                self.blocks.push(self.hasher.finish());
                self.room = BLOCK;
            }
        }
    }
}

/// The cache of a replica. When the replica dies its cache is gone, and the next one has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Where in the pool the replica is.
    pub slot: u32,
    pub number: u32,
}

/// Remembers who was sent what, for a time. The memory has two halves: what is told again moves into the young one, and
/// when that is old or full it becomes the old one, which is forgotten.
pub struct Remembered {
    young: Caches,
    old: Caches,
    /// When the young half was begun.
    begun: Instant,
    lifetime: Duration,
}

type Caches = HashMap<u64, Holders, RandomState>;

/// Most blocks are in one cache only, and a list of one is not worth an allocation.
enum Holders {
    One(Cache),
    Several(Vec<Cache>),
}

impl Holders {
    fn all(&self) -> &[Cache] {
        match self {
            Self::One(cache) => slice::from_ref(cache),
            Self::Several(caches) => caches,
        }
    }

    /// A replica has one cache: another number in the same slot takes the place of the one before.
    fn add(&mut self, cache: Cache) {
        match self {
            Self::One(known) if known.slot == cache.slot => *known = cache,
            Self::One(known) => *self = Self::Several(vec![*known, cache]),
            Self::Several(caches) => match caches.iter_mut().find(|known| known.slot == cache.slot) {
                Some(known) => *known = cache,
                None => caches.push(cache),
            },
        }
    }
}

impl Remembered {
    /// Nothing is remembered for longer than `lifetime`, and if there is room nothing for less than half of it.
    pub fn new(lifetime: Duration, now: Instant) -> Self {
        Self { young: Caches::default(), old: Caches::default(), begun: now, lifetime }
    }

    /// The beginnings of a prompt that somebody has, the longest first: how many blocks it has, and who has it.
    pub fn longest_first<'a>(
        &'a self,
        prefix: &'a Prefix,
    ) -> impl Iterator<Item = (usize, impl Iterator<Item = Cache> + use<'a>)> {
        // Whoever has a block has all before it, and was not sent those earlier.
        let known = prefix.blocks.partition_point(|block| self.caches(*block).next().is_some());
        prefix.blocks[..known].iter().enumerate().rev().map(|(index, block)| (index + 1, self.caches(*block)))
    }

    /// `cache` has now computed this prompt.
    pub fn add(&mut self, prefix: &Prefix, cache: Cache) {
        for block in &prefix.blocks {
            self.young.entry(*block).and_modify(|holders| holders.add(cache)).or_insert(Holders::One(cache));
        }
    }

    /// Who has this block and all before it.
    fn caches(&self, block: u64) -> impl Iterator<Item = Cache> + use<'_> {
        [&self.young, &self.old].into_iter().filter_map(move |half| half.get(&block)).flat_map(Holders::all).copied()
    }

    /// Forget what is too old or too much.
    pub fn age(&mut self, now: Instant) {
        let half = self.lifetime / 2;
        let age = now.saturating_duration_since(self.begun);
        let begun = match age {
            age if age >= half * 2 => {
                self.young.clear();
                now
            }
            // Nothing was added since then, or this would have been found before.
            age if age >= half => self.begun + half,
            _ if self.young.len() >= MAX_REMEMBERED => now,
            _ => return,
        };
        // Emptied, it keeps its room.
        mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        self.begun = begun;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::{Function, ToolChoice, Tools};

    const LIFETIME: Duration = Duration::from_secs(100);
    const CACHE: Cache = Cache { slot: 3, number: 7 };

    fn message(role: Role, content: &str) -> PromptMessage {
        PromptMessage::new(role, content)
    }

    fn prefix(messages: &[PromptMessage]) -> Prefix {
        Prefix::new(&RandomState::default(), "model", &messages.to_vec().into(), &Output::default())
    }

    /// How many of its blocks a prompt shares with another.
    fn shared(one: &[PromptMessage], other: &[PromptMessage]) -> usize {
        shared_with((one, &Output::default()), (other, &Output::default()))
    }

    type Asked<'a> = (&'a [PromptMessage], &'a Output);

    fn shared_with(one: Asked<'_>, other: Asked<'_>) -> usize {
        let hashing = RandomState::default();
        let [one, other] = [one, other]
            .map(|(messages, output)| Prefix::new(&hashing, "model", &messages.to_vec().into(), output).blocks);
        one.iter().zip(&other).take_while(|(one, other)| one == other).count()
    }

    /// An answer that may call a function with this description.
    fn offering(description: &str) -> Output {
        let function = Function {
            name: "search".to_owned(),
            description: Some(description.to_owned()),
            parameters: Some(json!({ "type": "object" })),
            strict: false,
        };
        let tools = Tools { functions: vec![function], choice: ToolChoice::Auto, parallel: true };
        Output { tools: Some(tools), ..Output::default() }
    }

    proptest! {
        #[test]
        fn a_conversation_that_goes_on_keeps_all_of_its_blocks(
            contents in prop::collection::vec("[a-zé ]{0,600}", 1..6), more in "[a-z ]{0,600}",
        ) {
            let role = |number: usize| if number.is_multiple_of(2) { Role::User } else { Role::Assistant };
            let mut messages: Vec<_> =
                contents.iter().enumerate().map(|(number, content)| message(role(number), content)).collect();
            let before = messages.clone();
            messages.push(message(Role::User, &more));
            let bytes: usize = contents.iter().map(String::len).sum();
            prop_assert_eq!(shared(&before, &messages), bytes / BLOCK);
        }
    }

    #[test]
    fn a_difference_changes_every_block_behind_it() {
        let text = "x".repeat(10 * BLOCK);
        let mut other = text.clone();
        other.replace_range(3 * BLOCK..=3 * BLOCK, "y");

        assert_eq!(shared(&[message(Role::User, &text)], &[message(Role::User, &other)]), 3);
        assert_eq!(shared(&[message(Role::System, &text)], &[message(Role::User, &text)]), 0);
    }

    #[test]
    fn functions_stand_between_the_instructions_and_the_conversation() {
        let text = "x".repeat(2 * BLOCK);
        let messages = [message(Role::System, &text), message(Role::User, &text)];
        let [one, other] = ["one ", "other "].map(|word| offering(&word.repeat(BLOCK)));

        assert!(shared_with((&messages[..], &one), (&messages[..], &one)) > 4);
        assert_eq!(shared_with((&messages[..], &one), (&messages[..], &other)), 2);
        assert_eq!(shared_with((&messages[1..], &one), (&messages[1..], &other)), 0);
    }

    #[test]
    fn functions_are_a_part_of_what_is_to_be_computed() {
        let messages = vec![message(Role::User, "hello")];
        let tokens = |output: &Output| {
            let prefix = Prefix::new(&RandomState::default(), "model", &messages.clone().into(), output);
            prefix.tokens_behind(0)
        };

        assert!(tokens(&offering(&"x".repeat(40 * BYTES_PER_TOKEN))) >= tokens(&Output::default()) + 40);
    }

    #[test]
    fn a_prompt_without_end_is_cut() {
        let endless = [message(Role::User, &"x".repeat(2 * MAX_BLOCKS * BLOCK))];

        assert_eq!(prefix(&endless).blocks.len(), MAX_BLOCKS);
    }

    #[test]
    fn what_is_told_again_is_remembered_and_the_rest_is_forgotten_within_the_lifetime() {
        let start = Instant::now();
        let mut remembered = Remembered::new(LIFETIME, start);
        let [once, again] = ["once", "again"].map(|word| prefix(&[message(Role::User, &word.repeat(BLOCK))]));
        let holds = |remembered: &Remembered, prefix: &Prefix| {
            prefix.blocks.iter().all(|block| remembered.caches(*block).eq([CACHE]))
        };
        remembered.add(&once, CACHE);

        for seconds in [10, 50, 90, 110] {
            remembered.age(start + Duration::from_secs(seconds));
            assert_eq!(holds(&remembered, &once), seconds < 100, "{seconds}");
            remembered.add(&again, CACHE);
        }
        remembered.age(start + Duration::from_secs(150));

        assert!(holds(&remembered, &again));
    }

    #[test]
    fn nothing_is_remembered_of_a_time_without_requests() {
        let start = Instant::now();
        let mut remembered = Remembered::new(LIFETIME, start);
        let prompt = prefix(&[message(Role::User, &"x".repeat(BLOCK))]);
        remembered.add(&prompt, CACHE);

        remembered.age(start + LIFETIME);

        assert_eq!(remembered.caches(prompt.blocks[0]).count(), 0);
    }

    #[test]
    fn a_replica_that_lost_its_cache_is_not_remembered_twice() {
        let mut remembered = Remembered::new(LIFETIME, Instant::now());
        let prompt = prefix(&[message(Role::User, &"x".repeat(BLOCK))]);
        remembered.add(&prompt, CACHE);

        remembered.add(&prompt, Cache { number: 8, ..CACHE });

        assert!(remembered.caches(prompt.blocks[0]).eq([Cache { number: 8, ..CACHE }]));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut remembered = Remembered::new(LIFETIME, now);
        let hashing = RandomState::default();

        for number in 0..200 {
            let prompt = format!("{number:04}").repeat(MAX_BLOCKS * BLOCK / 4).into();
            remembered.add(&Prefix::new(&hashing, "model", &prompt, &Output::default()), CACHE);
            remembered.age(now);
        }

        assert!(remembered.young.len() + remembered.old.len() <= 2 * (MAX_REMEMBERED + MAX_BLOCKS));
    }
}
