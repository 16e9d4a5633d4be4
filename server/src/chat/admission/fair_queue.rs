//! The order in which waiting requests are taken: fair between callers, however many requests each of them has in line.
//!
//! Deficit round robin (Shreedhar and Varghese, "Efficient Fair Queueing Using Deficit Round Robin", 1995) with tokens in
//! the place of bytes: callers take turns, a turn brings credit for a token, and requests are paid with it. What an answer has
//! really cost is settled at its end, because nobody knows its length before.
//!
//! This is data only: it knows no clock, no lock and no task. So a copy of it tells who is taken next, and after that.

use std::{
    collections::{HashSet, VecDeque},
    iter,
    sync::Arc,
};

use super::Caller;

/// A request in line.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    /// `None` is an answer that another server has begun. Its reader has waited already, so it goes before all others.
    pub caller: Option<Caller>,
    pub model: Arc<str>,
    /// Tokens that it will take, as far as that is known.
    pub cost: u32,
    /// The [`Turn`] that paid for it.
    turn: u64,
}

impl Entry {
    /// With an `id` that no other has had.
    pub fn new(id: u64, caller: Option<Caller>, model: Arc<str>, cost: u32) -> Self {
        Self { id, caller, model, cost, turn: id }
    }
}

/// The line.
#[derive(Clone, Default)]
pub struct FairQueue {
    first: VecDeque<Entry>,
    /// Callers with requests in line. The first one is next: to get a turn, or to go on with its own while it can pay.
    turns: VecDeque<Turn>,
}

#[derive(Clone)]
struct Turn {
    /// That of its first entry.
    id: u64,
    caller: Caller,
    /// Tokens that the caller may take before it is another one's turn. Below 0 it has taken more than its share.
    credit: i64,
    /// Never empty.
    entries: VecDeque<Entry>,
}

impl FairQueue {
    pub fn push(&mut self, entry: Entry) {
        let Some(caller) = entry.caller else { return self.first.push_back(entry) };
        match self.turns.iter_mut().find(|turn| turn.caller == caller) {
            Some(turn) => turn.entries.push_back(Entry { turn: turn.id, ..entry }),
            // Who was away comes back with nothing: neither can turns be saved up, nor debts be kept for later.
            None => self.turns.push_back(Turn { id: entry.id, caller, credit: 0, entries: VecDeque::from([entry]) }),
        }
    }

    /// Take the next request among those whose model can start one.
    pub fn pop(&mut self, can_start: impl Fn(&str) -> bool) -> Option<Entry> {
        if let Some(index) = self.first.iter().position(|entry| can_start(&entry.model)) {
            return self.first.remove(index);
        }
        if !self.turns.front()?.can_pay(&can_start) {
            self.pass_the_turn(&can_start)?;
        }
        let turn = self.turns.front_mut()?;
        let entry = turn.entries.remove(turn.next(&can_start)?)?;
        turn.credit -= i64::from(entry.cost);
        if turn.entries.is_empty() {
            self.turns.pop_front();
        } else if !turn.can_pay(|_| true) {
            self.turns.rotate_left(1);
        }
        Some(entry)
    }

    /// A request's client has left.
    pub fn remove(&mut self, id: u64) {
        self.first.retain(|entry| entry.id != id);
        for turn in &mut self.turns {
            turn.entries.retain(|entry| entry.id != id);
        }
        self.turns.retain(|turn| !turn.entries.is_empty());
    }

    /// The answer took `used` tokens, more than it has paid or fewer. If its caller has had nothing in line since, what was
    /// paid is forgotten.
    pub fn settle(&mut self, entry: &Entry, used: u32) {
        if let Some(turn) = self.turns.iter_mut().find(|turn| turn.id == entry.turn) {
            turn.credit += i64::from(entry.cost) - i64::from(used);
        }
    }

    pub fn len(&self) -> usize {
        self.first.len() + self.turns.iter().map(|turn| turn.entries.len()).sum::<usize>()
    }

    /// How many requests of `caller` are in line.
    pub fn len_of(&self, caller: Caller) -> usize {
        self.turns.iter().find(|turn| turn.caller == caller).map_or(0, |turn| turn.entries.len())
    }

    /// The models that are waited for.
    pub fn models(&self) -> HashSet<Arc<str>> {
        let entries = self.first.iter().chain(self.turns.iter().flat_map(|turn| &turn.entries));
        entries.map(|entry| entry.model.clone()).collect()
    }

    /// All requests as they will be taken if none comes or leaves.
    pub fn in_order(&self) -> impl Iterator<Item = Entry> + use<> {
        let mut rest = self.clone();
        iter::from_fn(move || rest.pop(|_| true))
    }

    /// Let the turn go round until one can pay. All rounds are gone at once: what a caller lacks for its next request is how
    /// many turns it takes. So turns can be as small as a token, and the more a turn brings, the more requests of one caller
    /// would be taken in a row. Who can start none gets no credit. `None` when nobody can.
    fn pass_the_turn(&mut self, can_start: impl Fn(&str) -> bool) -> Option<()> {
        let turns_until = |turn: &Turn| {
            let missing = i64::from(turn.entries[turn.next(&can_start)?].cost) - turn.credit;
            Some(missing.max(1))
        };
        let turns = self.turns.iter().enumerate();
        let (rounds, next) = turns.filter_map(|(place, turn)| Some((turns_until(turn)?, place))).min()?;
        for (place, turn) in self.turns.iter_mut().enumerate() {
            if turn.next(&can_start).is_some() {
                turn.credit += rounds - i64::from(place > next);
            }
        }
        self.turns.rotate_left(next);
        Some(())
    }
}

impl Turn {
    /// The place of the caller's next request whose model can start one.
    fn next(&self, can_start: impl Fn(&str) -> bool) -> Option<usize> {
        self.entries.iter().position(|entry| can_start(&entry.model))
    }

    fn can_pay(&self, can_start: impl Fn(&str) -> bool) -> bool {
        self.next(can_start).is_some_and(|next| i64::from(self.entries[next].cost) <= self.credit)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn caller(number: u8) -> Caller {
        Caller::at(Ipv4Addr::new(10, 0, 0, number).into())
    }

    /// A line in which each of `requests` has its place as id: caller, cost.
    fn line(requests: &[(u8, u32)]) -> FairQueue {
        let mut queue = FairQueue::default();
        for (id, &(number, cost)) in (0..).zip(requests) {
            queue.push(Entry::new(id, Some(caller(number)), "a".into(), cost));
        }
        queue
    }

    /// Whose requests are taken, in order.
    fn callers(queue: &FairQueue) -> Vec<u8> {
        let number = |entry: Entry| (1..=9).find(|&number| entry.caller == Some(caller(number))).unwrap_or(0);
        queue.in_order().map(number).collect()
    }

    #[test]
    fn one_caller_is_served_first_come_first_served() {
        let ids: Vec<_> = line(&[(1, 100), (1, 9000), (1, 1)]).in_order().map(|entry| entry.id).collect();
        assert_eq!(ids, [0, 1, 2]);
    }

    #[test]
    fn a_request_of_another_does_not_wait_for_all_of_a_hogs() {
        let mut requests = vec![(1, 256); 50];
        requests.push((2, 256));
        assert_eq!(callers(&line(&requests))[..3], [1, 2, 1]);
    }

    #[test]
    fn who_asks_for_four_times_the_tokens_is_taken_a_quarter_as_often() {
        let requests: Vec<_> = [(1, 1024), (2, 256)].repeat(40);
        let served = &callers(&line(&requests))[..40];
        assert_eq!(served.iter().filter(|&&number| number == 1).count(), 8);
    }

    #[test]
    fn what_an_answer_took_beyond_its_estimate_is_waited_for() {
        let mut queue = line(&[(1, 256), (1, 256), (2, 256), (2, 256), (2, 256)]);
        let entry = queue.pop(|_| true).unwrap();
        assert_eq!(entry.caller, Some(caller(1)));
        queue.settle(&entry, 256 + 512);
        assert_eq!(callers(&queue), [2, 2, 2, 1]);
    }

    #[test]
    fn what_an_answer_left_of_its_estimate_pays_for_nothing_once_its_caller_was_away() {
        let mut queue = line(&[(1, 5000)]);
        let entry = queue.pop(|_| true).unwrap();
        for (id, number) in [(7, 1), (8, 1), (9, 2)] {
            queue.push(Entry::new(id, Some(caller(number)), "a".into(), 256));
        }
        queue.settle(&entry, 0);
        assert_eq!(callers(&queue), [1, 2, 1]);
    }

    #[test]
    fn a_model_without_a_free_slot_holds_up_no_other() {
        let mut queue = line(&[(1, 100)]);
        queue.push(Entry::new(1, Some(caller(1)), "b".into(), 100));
        assert_eq!(queue.pop(|model| model == "b").unwrap().id, 1);
        assert!(queue.pop(|model| model == "b").is_none());
        assert_eq!(queue.pop(|_| true).unwrap().id, 0);
    }

    #[test]
    fn an_answer_that_another_server_has_begun_goes_first() {
        let mut queue = line(&[(1, 1), (2, 1)]);
        queue.push(Entry::new(7, None, "a".into(), 5000));
        assert_eq!(queue.pop(|_| true).unwrap().id, 7);
    }

    #[test]
    fn a_request_that_has_left_is_not_taken() {
        let mut queue = line(&[(1, 1), (2, 1)]);
        queue.remove(0);
        assert_eq!((callers(&queue), queue.len_of(caller(1))), (vec![2], 0));
    }

    proptest! {
        #[test]
        fn every_request_is_taken_once(requests in prop::collection::vec((1..9u8, 0..9000u32), 0..60)) {
            let mut ids: Vec<_> = line(&requests).in_order().map(|entry| entry.id).collect();
            ids.sort_unstable();
            prop_assert_eq!(ids, (0..requests.len() as u64).collect::<Vec<_>>());
        }

        /// While two callers both wait, neither gets ahead by more than the largest request.
        #[test]
        fn two_that_wait_get_the_same_tokens(costs in prop::collection::vec((1..2000u32, 1..2000u32), 1..40)) {
            let requests: Vec<_> = costs.iter().flat_map(|&(one, other)| [(1, one), (2, other)]).collect();
            let mut queue = line(&requests);
            let mut taken = [0_i64; 2];
            while queue.len_of(caller(1)) > 0 && queue.len_of(caller(2)) > 0 {
                prop_assert!((taken[0] - taken[1]).abs() <= 2000, "{:?}", taken);
                let entry = queue.pop(|_| true).unwrap();
                taken[usize::from(entry.caller == Some(caller(2)))] += i64::from(entry.cost);
            }
        }
    }
}
