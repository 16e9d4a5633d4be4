//! When a replica is left alone. After some failures in a row it gets no requests for a while; then one goes to it as a
//! probe, and what becomes of that decides.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
const OPEN: Duration = Duration::from_secs(10);
/// How long others are asked first after one failure, or after the replica said that it is busy.
const REST: Duration = Duration::from_secs(1);

/// Whether a replica is to be asked, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    Sound,
    Resting,
    Broken,
}

/// As the metrics show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    Open,
    /// A probe is due or under way.
    HalfOpen,
}

#[derive(Debug, Default)]
pub struct Breaker {
    /// In a row.
    failures: u32,
    rests_until: Option<Instant>,
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: Instant,
    },
    Probing,
}

impl Breaker {
    pub fn health(&self, now: Instant) -> Health {
        match self.phase {
            Phase::Closed if self.rests_until.is_some_and(|until| now < until) => Health::Resting,
            Phase::Closed => Health::Sound,
            Phase::Open { .. } | Phase::Probing => Health::Broken,
        }
    }

    pub fn state(&self, now: Instant) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if now < until => BreakerState::Open,
            Phase::Open { .. } | Phase::Probing => BreakerState::HalfOpen,
        }
    }

    /// Whether the request that asks this is the probe.
    pub fn begin_probe(&mut self, now: Instant) -> bool {
        let is_due = matches!(self.phase, Phase::Open { until } if until <= now);
        if is_due {
            self.phase = Phase::Probing;
        }
        is_due
    }

    /// The probe ended without telling anything: the next request is one again.
    pub fn abandon_probe(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Probing) {
            self.phase = Phase::Open { until: now };
        }
    }

    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Whether this failure opens the breaker, or opens it again.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures += 1;
        self.rest(now);
        let opens = match self.phase {
            Phase::Closed => self.failures >= FAILURES,
            Phase::Probing => true,
            Phase::Open { .. } => false,
        };
        if opens {
            self.phase = Phase::Open { until: now + OPEN };
        }
        opens
    }

    /// Let others be asked first for a while.
    pub fn rest(&mut self, now: Instant) {
        self.rests_until = Some(now + REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn it_opens_with_the_fifth_failure_in_a_row() {
        let now = Instant::now();
        let mut breaker = Breaker::default();

        let opens: Vec<bool> = (0..FAILURES).map(|_| breaker.failed(now)).collect();

        assert_eq!(opens, [false, false, false, false, true]);
        assert_eq!((breaker.health(now), breaker.state(now)), (Health::Broken, BreakerState::Open));
    }

    #[test]
    fn a_success_begins_the_count_anew() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES - 1 {
            breaker.failed(now);
        }

        breaker.succeeded();

        assert!(!breaker.failed(now));
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }

    #[test]
    fn one_failure_makes_it_rest_for_a_second() {
        let now = Instant::now();
        let mut breaker = Breaker::default();

        breaker.failed(now);

        assert_eq!(breaker.health(now), Health::Resting);
        assert_eq!(breaker.health(now + REST), Health::Sound);
    }

    #[test]
    fn there_is_no_probe_before_its_time_and_then_only_one() {
        let now = Instant::now();
        let mut breaker = opened(now);

        assert!(!breaker.begin_probe(now + OPEN - Duration::from_millis(1)));
        assert_eq!(breaker.state(now + OPEN), BreakerState::HalfOpen);
        assert!(breaker.begin_probe(now + OPEN));
        assert!(!breaker.begin_probe(now + OPEN * 2));
        assert_eq!(breaker.health(now + OPEN * 2), Health::Broken);
    }

    #[test]
    fn a_probe_that_succeeds_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.begin_probe(now + OPEN);

        breaker.succeeded();

        assert_eq!((breaker.health(now), breaker.state(now)), (Health::Sound, BreakerState::Closed));
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_as_long_again() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + OPEN;
        breaker.begin_probe(later);

        assert!(breaker.failed(later));

        assert!(!breaker.begin_probe(later + OPEN - Duration::from_millis(1)));
        assert!(breaker.begin_probe(later + OPEN));
    }

    #[test]
    fn a_probe_whose_client_left_is_made_again_by_the_next_request() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.begin_probe(now + OPEN);

        breaker.abandon_probe(now + OPEN);

        assert!(breaker.begin_probe(now + OPEN));
    }

    #[test]
    fn what_was_under_way_when_it_opened_does_not_keep_it_open_for_longer() {
        let now = Instant::now();
        let mut breaker = opened(now);

        assert!(!breaker.failed(now + OPEN / 2));

        assert!(breaker.begin_probe(now + OPEN));
    }
}
