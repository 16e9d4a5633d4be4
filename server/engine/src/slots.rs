//! Chooses where a new chat decodes, so that as much of its prompt as possible is already computed.
//!
//! A slot is one sequence of llama.cpp's cache. It keeps its tokens after its chat has ended, because the next turn of
//! the same conversation starts with them; what it holds when it is given up goes to the shelf. This file knows tokens only
//! by equality, and nothing of llama.cpp.

use crate::shelf::Find;

/// What is known of one slot when a chat looks for a place.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a, Token> {
    /// The tokens in its cache, in order.
    pub cached: &'a [Token],
    /// No chat decodes in it.
    pub idle: bool,
    /// Grows with each use; 0 was never used.
    pub last_used: u64,
}

/// Where a chat goes and which part of its prompt it finds there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    pub slot: usize,
    pub source: Source,
    /// How many of the prompt's first tokens the source has.
    pub reused: usize,
}

/// Where a part of a prompt was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A slot; another one than the chat goes to means that its cells are copied.
    Slot(usize),
    /// A place on the shelf.
    Shelf(usize),
}

/// A chat can be computed as fast as its state is read or written, if it has no more tokens than this.
pub const FEW_TOKENS: usize = 64;

/// The best place for a prompt, of which `reusable` is what could be reused and `kept` where the shelf has most of it; or
/// `None` while every slot is busy.
pub fn place<Token: PartialEq>(
    reusable: &[Token],
    slots: &[Candidate<'_, Token>],
    kept: Option<Find>,
) -> Option<Placement> {
    let shared = |slot: usize| common_prefix(reusable, slots[slot].cached);
    let idle = || (0..slots.len()).filter(|&slot| slots[slot].idle);

    let least_recently_used = idle().min_by_key(|&slot| slots[slot].last_used)?;
    let source = (0..slots.len()).max_by_key(|&slot| (shared(slot), slots[slot].idle))?;
    let reused = shared(source);
    if let Some(kept) = kept.filter(|kept| kept.shared > reused + FEW_TOKENS) {
        return Some(Placement { slot: least_recently_used, source: Source::Shelf(kept.index), reused: kept.shared });
    }

    // A slot that shares only its beginning, such as a system prompt, belongs to another conversation,
    // which would have to be computed anew: share that beginning, and give up the slot unused for longest instead.
    let same_conversation = slots[source].idle && reused > 0 && reused * 2 >= slots[source].cached.len();
    let slot = if same_conversation { source } else { least_recently_used };
    Some(Placement { slot, source: Source::Slot(source), reused })
}

/// Whether `cached` tokens are worth the memory of their state when their slot is given up and only the first `elsewhere`
/// of them are held elsewhere.
///
/// A state takes memory for all of its tokens: many conversations that differ in a few words would fill it with the same
/// beginning.
pub fn is_worth_keeping(cached: usize, elsewhere: usize) -> bool {
    let lost = cached - elsewhere;
    lost > FEW_TOKENS && lost * 4 >= cached
}

/// How many tokens two sequences begin with alike.
pub fn common_prefix<Token: PartialEq>(left: &[Token], right: &[Token]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(cached: &[u8], idle: bool, last_used: u64) -> Candidate<'_, u8> {
        Candidate { cached, idle, last_used }
    }

    #[test]
    fn the_next_turn_goes_where_the_last_one_was() {
        let slots = [candidate(b"other", true, 1), candidate(b"hello", true, 2)];

        let placement = place(b"hello agai", &slots, None);

        assert_eq!(placement, Some(Placement { slot: 1, source: Source::Slot(1), reused: 5 }));
    }

    #[test]
    fn a_new_conversation_shares_the_system_prompt_of_another_and_leaves_it_whole() {
        let slots = [candidate(b"system: a long chat", true, 2), candidate(b"", true, 0)];

        let placement = place(b"system: something els", &slots, None);

        assert_eq!(placement, Some(Placement { slot: 1, source: Source::Slot(0), reused: 8 }));
    }

    #[test]
    fn a_busy_slot_can_be_shared_but_not_taken() {
        let slots = [candidate(b"system: chat", false, 2), candidate(b"x", true, 1)];

        let placement = place(b"system: cha", &slots, None);

        assert_eq!(placement, Some(Placement { slot: 1, source: Source::Slot(0), reused: 11 }));
    }

    #[test]
    fn without_anything_to_share_the_slot_unused_for_longest_is_taken() {
        let slots = [candidate(b"a", true, 3), candidate(b"b", true, 1), candidate(b"c", true, 2)];

        assert_eq!(place(b"zz", &slots, None).map(|placement| placement.slot), Some(1));
    }

    #[test]
    fn what_is_kept_is_taken_when_it_is_much_more_than_a_slot_has() {
        let prompt = [b'a'; 200];
        let slots = [candidate(&prompt[..100], true, 2), candidate(b"other", true, 1)];
        let with_kept = |shared| place(&prompt, &slots, Some(Find { index: 7, shared }));

        assert_eq!(with_kept(190), Some(Placement { slot: 1, source: Source::Shelf(7), reused: 190 }));
        assert_eq!(with_kept(110), Some(Placement { slot: 0, source: Source::Slot(0), reused: 100 }));
    }

    #[test]
    fn what_others_hold_or_what_is_soon_computed_is_not_worth_keeping() {
        assert!(is_worth_keeping(1500, 0));
        assert!(is_worth_keeping(2000, 1500));
        assert!(!is_worth_keeping(1600, 1500));
        assert!(!is_worth_keeping(64, 0));
    }

    proptest! {
        #[test]
        fn a_placement_is_idle_and_reuses_the_longest_prefix_there_is(
            prompt in prop::collection::vec(0..3_u8, 1..12),
            slots in prop::collection::vec((prop::collection::vec(0..3_u8, 0..12), any::<bool>(), 0..9_u64), 1..6),
        ) {
            let slots: Vec<_> = slots.iter().map(|(cached, idle, used)| candidate(cached, *idle, *used)).collect();
            match place(&prompt, &slots, None) {
                None => prop_assert!(slots.iter().all(|slot| !slot.idle)),
                Some(Placement { slot, source: Source::Slot(source), reused }) => {
                    prop_assert!(slots[slot].idle);
                    prop_assert_eq!(&slots[source].cached[..reused], &prompt[..reused]);
                    let longest = slots.iter().map(|slot| common_prefix(&prompt, slot.cached)).max().unwrap();
                    prop_assert_eq!(reused, longest);
                }
                Some(other) => prop_assert!(false, "the shelf is empty: {:?}", other),
            }
        }
    }
}
