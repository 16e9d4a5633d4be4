//! What was computed of prompts and stands in no slot any more, kept in ordinary memory up to so many bytes.
//!
//! A list and no tree: llama.cpp gives a sequence's state as one block of bytes, so two that begin alike share none of them,
//! and all that a tree could spare are comparisons. Those of a hundred states with a prompt of thousands of tokens take
//! microseconds, where computing one token takes milliseconds. This file knows tokens only by equality, and nothing of
//! llama.cpp.

use std::collections::VecDeque;

use crate::slots::common_prefix;

/// States of sequences, the one unused for longest first.
pub struct Shelf<Token, State> {
    kept: VecDeque<Kept<Token, State>>,
    bytes: usize,
    max_bytes: usize,
}

/// The state of a sequence of tokens.
pub struct Kept<Token, State> {
    pub tokens: Vec<Token>,
    pub state: State,
    pub bytes: usize,
}

/// The state that has most of a prompt, and how many tokens of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Find {
    pub index: usize,
    pub shared: usize,
}

impl<Token: PartialEq, State> Shelf<Token, State> {
    pub fn new(max_bytes: usize) -> Self {
        Self { kept: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Whether a state of so many bytes could stand here.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= self.max_bytes
    }

    /// Where most of the beginning of `prompt` is. With `whole` only states count of which nothing has to be cut off.
    pub fn find(&self, prompt: &[Token], whole: bool) -> Option<Find> {
        (self.kept.iter().enumerate())
            .map(|(index, kept)| (Find { index, shared: common_prefix(prompt, &kept.tokens) }, kept.tokens.len()))
            .filter(|(find, len)| find.shared > 0 && (!whole || find.shared == *len))
            .map(|(find, _)| find)
            .max_by_key(|find| find.shared)
    }

    /// Keeps a state as the one that was used last. What is older goes until there is room, and so do states of its beginning.
    pub fn put(&mut self, new: Kept<Token, State>) {
        if !self.has_room_for(new.bytes) {
            return;
        }
        self.kept.retain(|kept| !new.tokens.starts_with(&kept.tokens));
        self.bytes = self.kept.iter().map(|kept| kept.bytes).sum();
        while !self.has_room_for(self.bytes + new.bytes)
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
        self.bytes += new.bytes;
        self.kept.push_back(new);
    }

    /// Takes down what a [`Find`] of now names.
    pub fn take(&mut self, index: usize) -> Option<Kept<Token, State>> {
        let kept = self.kept.remove(index)?;
        self.bytes -= kept.bytes;
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(max_bytes: usize, kept: &[&str]) -> Shelf<u8, ()> {
        let mut shelf = Shelf::new(max_bytes);
        kept.iter().for_each(|tokens| put(&mut shelf, tokens));
        shelf
    }

    fn put(shelf: &mut Shelf<u8, ()>, tokens: &str) {
        shelf.put(Kept { tokens: tokens.as_bytes().to_vec(), state: (), bytes: tokens.len() });
    }

    fn shared(shelf: &Shelf<u8, ()>, prompt: &str) -> usize {
        shelf.find(prompt.as_bytes(), false).map_or(0, |find| find.shared)
    }

    #[test]
    fn the_longest_beginning_is_found() {
        let shelf = shelf(100, &["system: a chat", "system: another", "else"]);

        assert_eq!(shelf.find(b"system: another chat", false), Some(Find { index: 1, shared: 15 }));
        assert_eq!(shelf.find(b"nothing of it", false), None);
    }

    #[test]
    fn where_nothing_can_be_cut_off_only_a_whole_state_is_found() {
        let shelf = shelf(100, &["system: a long chat", "system"]);

        assert_eq!(shelf.find(b"system: another", true), Some(Find { index: 1, shared: 6 }));
        assert_eq!(shelf.find(b"system: a l", false), Some(Find { index: 0, shared: 11 }));
    }

    #[test]
    fn what_was_unused_for_longest_makes_room() {
        let mut shelf = shelf(9, &["aaa", "bbb", "ccc"]);
        let used = shelf.take(0).unwrap();
        shelf.put(used);

        put(&mut shelf, "ddd");

        assert_eq!(["aaa", "bbb", "ccc", "ddd"].map(|prompt| shared(&shelf, prompt)), [3, 0, 3, 3]);
    }

    #[test]
    fn what_is_too_large_displaces_nothing() {
        let mut shelf = shelf(5, &["aaa"]);

        put(&mut shelf, "bbbbbb");

        assert_eq!((shared(&shelf, "aaa"), shared(&shelf, "bbb")), (3, 0));
    }

    #[test]
    fn a_longer_state_replaces_that_of_its_beginning() {
        let shelf = shelf(10, &["abc", "abcdef", "xyz"]);

        assert_eq!((shared(&shelf, "abcdef"), shared(&shelf, "xyz")), (6, 3));
        assert_eq!(shelf.bytes, 9);
    }
}
