//! Which replica gets a request: the one with the longest part of its prompt in the cache, unless that has too much to do
//! already; else the better of two that are drawn, by what they have to do.
//!
//! Two drawn ones are nearly as good as the best of all (Mitzenmacher, "The Power of Two Choices in Randomized Load
//! Balancing", 2001), and servers that decide by the same numbers do not all run to the same replica. The bound is that of
//! Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::prefix::{Cache, Prefix, Remembered};
use crate::engine::{Output, Prompt};

/// A replica is not given more for its cache while it has over so many times the mean to do.
const LOAD_BOUND: f64 = 1.25;

pub struct Router {
    hashing: RandomState,
    remembered: Mutex<Remembered>,
}

/// What is asked, as far as it matters who answers.
pub struct Question {
    pub prefix: Prefix,
    /// How many tokens the answer is expected to have.
    pub answer_tokens: u64,
}

impl Question {
    /// Texts that a replica reads and says nothing to. Their beginnings are not looked for: nothing is kept of them.
    pub fn without_answer(tokens: u64) -> Self {
        Self { prefix: Prefix::of_unknown(tokens), answer_tokens: 0 }
    }
}

/// A replica that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub cache: Cache,
    /// Tokens of prompts and answers that it was given to compute and has not computed yet.
    pub outstanding: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub cache: Cache,
    /// Blocks of the prompt for which it was chosen; 0 when it was drawn.
    pub cached_blocks: usize,
}

impl Router {
    /// `lifetime` is how long a replica is taken to keep what it has computed.
    pub fn new(lifetime: Duration, now: Instant) -> Self {
        Self { hashing: RandomState::default(), remembered: Mutex::new(Remembered::new(lifetime, now)) }
    }

    pub fn question(&self, model: &str, prompt: &Prompt, output: &Output, answer_tokens: u64) -> Question {
        Question { prefix: Prefix::new(&self.hashing, model, prompt, output), answer_tokens }
    }

    /// Choose among `candidates`, which stand at their slots. `None` when there are none.
    pub fn choose(&self, question: &Question, candidates: &[Option<Candidate>], now: Instant) -> Option<Choice> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.age(now);
        let choice = longest_prefix(&remembered, question, candidates).or_else(|| better_of_two(candidates))?;
        remembered.add(&question.prefix, choice.cache);
        Some(choice)
    }
}

fn longest_prefix(remembered: &Remembered, question: &Question, candidates: &[Option<Candidate>]) -> Option<Choice> {
    let present = candidates.iter().flatten();
    let (count, total) = present.fold((0_u32, 0), |(count, total), one| (count + 1, total + one.outstanding));
    if count < 2 {
        return None;
    }
    let most = LOAD_BOUND * total as f64 / f64::from(count);
    remembered.longest_first(&question.prefix).find_map(|(cached_blocks, caches)| {
        let holders = caches.filter_map(|cache| {
            let candidate = candidates.get(cache.slot as usize).copied().flatten()?;
            (candidate.cache == cache).then_some(candidate)
        });
        let with_room = holders.filter(|one| one.outstanding as f64 <= most);
        with_room.min_by_key(|one| one.outstanding).map(|one| Choice { cache: one.cache, cached_blocks })
    })
}

fn better_of_two(candidates: &[Option<Candidate>]) -> Option<Choice> {
    let present = || candidates.iter().flatten();
    let count = present().count();
    let nth = |index| present().nth(index);
    let first = match count {
        0 => return None,
        1 => 0,
        _ => fastrand::usize(..count),
    };
    // Another one than the first.
    let second = if count > 1 { (first + 1 + fastrand::usize(..count - 1)) % count } else { first };
    let better = [nth(first), nth(second)].into_iter().flatten().min_by_key(|one| one.outstanding)?;
    Some(Choice { cache: better.cache, cached_blocks: 0 })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::{PromptMessage, Role};

    const LIFETIME: Duration = Duration::from_secs(180);

    fn candidates(outstanding: &[u64]) -> Vec<Option<Candidate>> {
        let candidate = |(slot, &outstanding)| Some(Candidate { cache: Cache { slot, number: slot }, outstanding });
        (0..).zip(outstanding).map(candidate).collect()
    }

    fn prompt(text: &str) -> Prompt {
        vec![PromptMessage::new(Role::User, text)].into()
    }

    struct Test {
        router: Router,
        now: Instant,
    }

    impl Test {
        fn new() -> Self {
            let now = Instant::now();
            Self { router: Router::new(LIFETIME, now), now }
        }

        fn ask(&self, text: &str, outstanding: &[u64]) -> Choice {
            let question = self.router.question("model", &prompt(text), &Output::default(), 100);
            self.router.choose(&question, &candidates(outstanding), self.now).unwrap()
        }
    }

    #[test]
    fn a_prompt_goes_where_the_longest_beginning_of_it_was_sent() {
        let test = Test::new();
        let idle = [0; 8];
        let base = "a".repeat(1000);
        let short = test.ask(&base, &idle).cache;
        let mut busy = idle;
        busy[short.slot as usize] = 9999;
        let long = test.ask(&(base.clone() + &"b".repeat(1000)), &busy).cache;
        assert_ne!(long, short);

        let choice = test.ask(&(base.clone() + &"b".repeat(1000) + "and more"), &idle);
        assert_eq!((choice.cache, choice.cached_blocks), (long, 7));
        let choice = test.ask(&(base + &"c".repeat(1000)), &idle);
        assert_eq!(choice.cached_blocks, 3);
    }

    proptest! {
        #[test]
        fn a_cache_draws_nothing_to_a_replica_that_is_over_the_bound(
            outstanding in prop::collection::vec(0u64..5000, 2..20), repetitions in 1usize..40,
        ) {
            let test = Test::new();
            let text = "word ".repeat(repetitions * 20);
            for _ in 0..repetitions {
                test.ask(&text, &vec![0; outstanding.len()]);
            }
            let choice = test.ask(&text, &outstanding);
            let given = outstanding[choice.cache.slot as usize];
            if choice.cached_blocks > 0 {
                let mean = outstanding.iter().sum::<u64>() as f64 / outstanding.len() as f64;
                prop_assert!(given as f64 <= 1.25 * mean);
            }
        }
    }

    #[test]
    fn a_shorter_beginning_counts_when_the_replica_with_the_longest_has_too_much_to_do() {
        let test = Test::new();
        let base = "a".repeat(1000);
        let first = test.ask(&base, &[0, 0]).cache.slot as usize;
        let mut loads = [0, 0];
        loads[first] = 9999;
        test.ask(&(base.clone() + &"b".repeat(1000)), &loads);
        loads.swap(0, 1);

        let choice = test.ask(&(base + &"b".repeat(1000)), &loads);

        assert_eq!((choice.cache.slot as usize, choice.cached_blocks), (first, 3));
    }

    #[test]
    fn of_two_the_one_with_less_to_do_is_chosen_and_of_many_never_the_one_with_the_most() {
        for number in 0..200 {
            let test = Test::new();
            assert_eq!(test.ask(&number.to_string(), &[500, 499]).cache.slot, 1);
            assert_ne!(test.ask(&number.to_string(), &[10, 20, 500, 30]).cache.slot, 2);
        }
    }

    #[test]
    fn prompts_that_have_nothing_in_common_spread_over_all() {
        let test = Test::new();
        let mut outstanding = [0; 8];
        for number in 0..800 {
            outstanding[test.ask(&format!("{number} ").repeat(100), &outstanding).cache.slot as usize] += 100;
        }

        let (least, most) = (outstanding.iter().min().unwrap(), outstanding.iter().max().unwrap());
        assert!(most - least <= 1000, "{outstanding:?}");
    }

    #[test]
    fn after_the_lifetime_a_prompt_is_new() {
        let test = Test::new();
        let text = "a".repeat(1000);
        test.ask(&text, &[0; 4]);

        let later = Test { now: test.now + LIFETIME, ..test };

        assert_eq!(later.ask(&text, &[0; 4]).cached_blocks, 0);
    }

    #[test]
    fn a_replica_that_died_or_left_is_not_chosen_for_what_it_had() {
        let test = Test::new();
        let text = "a".repeat(1000);
        let chosen = test.ask(&text, &[0; 4]).cache.slot as usize;
        let question = test.router.question("model", &prompt(&text), &Output::default(), 100);

        let mut others = candidates(&[0; 4]);
        others[chosen].as_mut().unwrap().cache.number = 99;
        assert_eq!(test.router.choose(&question, &others, test.now).unwrap().cached_blocks, 0);
        let nobody = [None; 4];
        assert_eq!(test.router.choose(&question, &nobody, test.now), None);
    }

    #[test]
    fn those_who_share_a_system_prompt_do_not_all_meet_at_one_replica() {
        let test = Test::new();
        let mut outstanding = [0; 8];
        let mut chosen: HashMap<u32, u32> = HashMap::new();
        for number in 0..400 {
            let choice = test.ask(&format!("{} {number:0500}", "You help. ".repeat(100)), &outstanding);
            outstanding[choice.cache.slot as usize] += 200;
            *chosen.entry(choice.cache.slot).or_default() += 1;
        }

        // 1.25 times the mean of 50, and one.
        assert!(chosen.values().all(|&count| count <= 64), "{chosen:?}");
    }
}
