//! Chooses where a new chat decodes, so that as much of its prompt as possible is already computed.
//!
//! A slot is one sequence of llama.cpp's cache. It keeps its tokens after its chat has ended, because the next turn of
//! the same conversation starts with them. This file knows tokens only by equality, and nothing of llama.cpp.

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
    /// The slot that holds the prompt's first `reused` tokens; another than `slot` means that they are copied.
    pub source: usize,
    pub reused: usize,
}

/// The best place for `prompt`, or `None` while every slot is busy.
///
/// The prompt's last token is never reused: computing it gives the probabilities of the first new token.
pub fn place<Token: PartialEq>(prompt: &[Token], slots: &[Candidate<'_, Token>]) -> Option<Placement> {
    let reusable = &prompt[..prompt.len().saturating_sub(1)];
    let shared = |slot: usize| common_prefix(reusable, slots[slot].cached);
    let idle = || (0..slots.len()).filter(|&slot| slots[slot].idle);

    let least_recently_used = idle().min_by_key(|&slot| slots[slot].last_used)?;
    let source = (0..slots.len()).max_by_key(|&slot| (shared(slot), slots[slot].idle))?;
    let reused = shared(source);

    // A slot that shares only its beginning, such as a system prompt, belongs to another conversation,
    // which would have to be computed anew: share that beginning, and give up the slot unused for longest instead.
    let same_conversation = slots[source].idle && reused > 0 && reused * 2 >= slots[source].cached.len();
    let slot = if same_conversation { source } else { least_recently_used };
    Some(Placement { slot, source, reused })
}

fn common_prefix<Token: PartialEq>(left: &[Token], right: &[Token]) -> usize {
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

        let placement = place(b"hello again", &slots);

        assert_eq!(placement, Some(Placement { slot: 1, source: 1, reused: 5 }));
    }

    #[test]
    fn a_new_conversation_shares_the_system_prompt_of_another_and_leaves_it_whole() {
        let slots = [candidate(b"system: a long chat", true, 2), candidate(b"", true, 0)];

        let placement = place(b"system: something else", &slots);

        assert_eq!(placement, Some(Placement { slot: 1, source: 0, reused: 8 }));
    }

    #[test]
    fn a_busy_slot_can_be_shared_but_not_taken() {
        let slots = [candidate(b"system: chat", false, 2), candidate(b"x", true, 1)];

        let placement = place(b"system: chat", &slots);

        assert_eq!(placement, Some(Placement { slot: 1, source: 0, reused: 11 }));
    }

    #[test]
    fn without_anything_to_share_the_slot_unused_for_longest_is_taken() {
        let slots = [candidate(b"a", true, 3), candidate(b"b", true, 1), candidate(b"c", true, 2)];

        assert_eq!(place(b"zzz", &slots).map(|placement| placement.slot), Some(1));
    }

    proptest! {
        #[test]
        fn a_placement_is_idle_and_reuses_the_longest_prefix_there_is(
            prompt in prop::collection::vec(0..3_u8, 1..12),
            slots in prop::collection::vec((prop::collection::vec(0..3_u8, 0..12), any::<bool>(), 0..9_u64), 1..6),
        ) {
            let slots: Vec<_> = slots.iter().map(|(cached, idle, used)| candidate(cached, *idle, *used)).collect();
            match place(&prompt, &slots) {
                None => prop_assert!(slots.iter().all(|slot| !slot.idle)),
                Some(placement) => {
                    prop_assert!(slots[placement.slot].idle);
                    prop_assert!(placement.reused < prompt.len());
                    prop_assert_eq!(&slots[placement.source].cached[..placement.reused], &prompt[..placement.reused]);
                    let longest = slots.iter().map(|slot| common_prefix(&prompt, slot.cached)).max().unwrap();
                    prop_assert_eq!(placement.reused, longest.min(prompt.len() - 1));
                }
            }
        }
    }
}
