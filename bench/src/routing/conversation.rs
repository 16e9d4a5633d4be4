//! Conversations as chat applications have them: a long system prompt that all users of an application share, then turns
//! that repeat everything that was said.

use flotilla::engine::{PromptMessage, Role};

const WHO: [&str; 12] = [
    "the customer",
    "our support team",
    "a new colleague",
    "the auditor",
    "every subscriber",
    "the reader",
    "a visitor",
    "the project lead",
    "your assistant",
    "the night shift",
    "a returning guest",
    "the reviewer",
];
const DOES: [&str; 12] = [
    "asks for",
    "has to confirm",
    "cannot find",
    "wants to compare",
    "should be told about",
    "often forgets",
    "receives",
    "would like to change",
    "is worried about",
    "needs help with",
    "has already paid for",
    "must not share",
];
const WHAT: [&str; 16] = [
    "the delivery date",
    "an invoice from last year",
    "the terms of the contract",
    "two different plans",
    "a refund",
    "the password of the account",
    "opening hours in winter",
    "the smallest print of the offer",
    "a broken link",
    "the route to the office",
    "the results of the survey",
    "an unusual amount",
    "the weekly report",
    "a second opinion",
    "the list of ingredients",
    "the meeting notes",
];
const WHEN: [&str; 8] = [
    "before noon",
    "at the end of the month",
    "when the office is closed",
    "as soon as possible",
    "after the holidays",
    "without waiting for an answer",
    "in a friendly tone",
    "if nothing else helps",
];

const SYSTEM_BYTES: usize = 4800;
const QUESTION_BYTES: usize = 240;
const ANSWER_BYTES: usize = 480;
pub const BYTES_PER_TOKEN: usize = 4;
pub const TURNS: usize = 8;
pub const ANSWER_TOKENS: usize = ANSWER_BYTES / BYTES_PER_TOKEN;
pub const SYSTEM_TOKENS: usize = SYSTEM_BYTES / BYTES_PER_TOKEN;
/// What a whole conversation adds to its system prompt.
pub const OWN_TOKENS: usize = TURNS * (QUESTION_BYTES + ANSWER_BYTES) / BYTES_PER_TOKEN;

/// The system prompt of an application.
pub fn system_prompt(random: &mut fastrand::Rng) -> PromptMessage {
    PromptMessage::new(Role::System, text(random, SYSTEM_BYTES))
}

pub fn question(random: &mut fastrand::Rng) -> PromptMessage {
    PromptMessage::new(Role::User, text(random, QUESTION_BYTES))
}

pub fn answer(random: &mut fastrand::Rng) -> PromptMessage {
    PromptMessage::new(Role::Assistant, text(random, ANSWER_BYTES))
}

/// Sentences, cut at this length.
pub fn text(random: &mut fastrand::Rng, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 128);
    while text.len() < bytes {
        for (place, words) in [&WHO[..], &DOES[..], &WHAT[..], &WHEN[..]].into_iter().enumerate() {
            text.push_str(words[random.usize(..words.len())]);
            text.push_str(if place < 3 { " " } else { ". " });
        }
    }
    text.truncate(bytes);
    text
}
