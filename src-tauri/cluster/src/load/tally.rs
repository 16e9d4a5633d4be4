//! What the load has seen so far.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::LoadUpdate;

/// Over how long a speed is measured: long enough to be calm, short enough to follow the autoscaler.
const SPEED_WINDOW: Duration = Duration::from_secs(5);
/// Percentiles are of this many newest answers.
const NEWEST: usize = 2_000;
/// Different failures that are told apart.
const KINDS: usize = 20;

pub(super) struct Tally {
    started_at: Instant,
    counts: LoadUpdate,
    /// When tokens came in the last seconds.
    recent: VecDeque<(Instant, u64)>,
    first_tokens: VecDeque<Duration>,
    failures: BTreeMap<String, u32>,
}

impl Tally {
    pub(super) fn new(started_at: Instant) -> Self {
        Self {
            started_at,
            counts: LoadUpdate::default(),
            recent: VecDeque::new(),
            first_tokens: VecDeque::new(),
            failures: BTreeMap::new(),
        }
    }

    pub(super) fn started(&mut self) {
        self.counts.started += 1;
        self.counts.running += 1;
    }

    pub(super) fn first_token(&mut self, wait: Duration) {
        if self.first_tokens.len() == NEWEST {
            self.first_tokens.pop_front();
        }
        self.first_tokens.push_back(wait);
    }

    pub(super) fn tokens(&mut self, now: Instant, count: u64) {
        self.counts.tokens += count;
        self.forget(now);
        // One entry per tenth of a second holds 64 fast chats in little memory.
        match self.recent.back_mut() {
            Some((at, tokens)) if now.saturating_duration_since(*at) < Duration::from_millis(100) => *tokens += count,
            _ => self.recent.push_back((now, count)),
        }
    }

    pub(super) fn finished(&mut self) {
        self.counts.finished += 1;
        self.counts.running -= 1;
    }

    pub(super) fn failed(&mut self, why: String) {
        self.counts.failed += 1;
        self.counts.running -= 1;
        if self.failures.len() < KINDS || self.failures.contains_key(&why) {
            *self.failures.entry(why).or_default() += 1;
        }
    }

    pub(super) fn update(&mut self, now: Instant) -> LoadUpdate {
        self.forget(now);
        let elapsed = now.saturating_duration_since(self.started_at);
        let window = elapsed.min(SPEED_WINDOW).as_secs_f64();
        let recent: u64 = self.recent.iter().map(|(_, tokens)| tokens).sum();
        let mut waits: Vec<_> = self.first_tokens.iter().copied().collect();
        waits.sort_unstable();
        LoadUpdate {
            tokens_per_second: if window > 0.0 { recent as f64 / window } else { 0.0 },
            ttft_ms_p50: percentile(&waits, 50),
            ttft_ms_p95: percentile(&waits, 95),
            elapsed_ms: elapsed.as_millis() as u64,
            failures: self.failures.iter().map(|(why, count)| format!("{count} × {why}")).collect(),
            ..self.counts.clone()
        }
    }

    /// The last update: its speed is that of the whole run.
    pub(super) fn finish(&mut self, now: Instant) -> LoadUpdate {
        let update = self.update(now);
        let seconds = now.saturating_duration_since(self.started_at).as_secs_f64();
        let tokens_per_second = if seconds > 0.0 { update.tokens as f64 / seconds } else { 0.0 };
        LoadUpdate { tokens_per_second, running: 0, done: true, ..update }
    }

    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > SPEED_WINDOW) {
            self.recent.pop_front();
        }
    }
}

/// The smallest value that this many percent of all do not exceed (nearest rank), in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|wait| wait.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_speed_is_that_of_the_last_seconds_and_at_the_end_that_of_all() {
        let mut tally = Tally::new(Instant::now());
        tally.tokens(Instant::now(), 100);
        advance(Duration::from_secs(10)).await;
        tally.tokens(Instant::now(), 50);
        assert_eq!(tally.update(Instant::now()).tokens_per_second, 10.0);
        assert_eq!(tally.finish(Instant::now()).tokens_per_second, 15.0);
    }

    #[test]
    fn failures_are_told_once_with_how_often() {
        let mut tally = Tally::new(Instant::now());
        for _ in 0..3 {
            tally.started();
            tally.failed("503: no slot is free".to_owned());
        }
        let update = tally.update(Instant::now());
        assert_eq!((update.failed, update.running), (3, 0));
        assert_eq!(update.failures, ["3 × 503: no slot is free"]);
    }

    #[test]
    fn percentiles_are_real_waits() {
        let waits: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&waits, 50), Some(10.0));
        assert_eq!(percentile(&waits, 95), Some(19.0));
        assert_eq!(percentile(&[], 50), None);
    }

    proptest! {
        #[test]
        fn a_percentile_is_one_of_the_waits(mut waits in proptest::collection::vec(0..10_000u64, 1..50), percent in 1..=100usize) {
            waits.sort_unstable();
            let durations: Vec<_> = waits.iter().copied().map(Duration::from_millis).collect();
            let found = percentile(&durations, percent).unwrap();
            let found = found.round() as u64;
            let below = waits.iter().filter(|wait| **wait <= found).count();
            prop_assert!(waits.contains(&found));
            prop_assert!(below * 100 >= waits.len() * percent);
        }
    }
}
