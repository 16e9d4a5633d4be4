//! How many requests may be sent a second time. When everything fails, retries are what keeps it failing.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Retries for each request.
const RATIO: f64 = 0.1;
/// Besides, one retry in so long, so that a server with few requests can retry them.
const ONE_IN: Duration = Duration::from_secs(10);
/// The most that is saved up, and what there is at the start.
const MOST: f64 = 10.0;

pub struct Budget {
    saved: Mutex<Saved>,
    granted: AtomicU64,
    refused: AtomicU64,
}

struct Saved {
    retries: f64,
    counted: Instant,
}

impl Saved {
    fn add(&mut self, retries: f64, now: Instant) {
        let earned = now.saturating_duration_since(self.counted).div_duration_f64(ONE_IN);
        self.retries = (self.retries + earned + retries).min(MOST);
        self.counted = now;
    }
}

impl Budget {
    pub fn new(now: Instant) -> Self {
        let saved = Mutex::new(Saved { retries: MOST, counted: now });
        Self { saved, granted: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// A request has come.
    pub fn earn(&self, now: Instant) {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).add(RATIO, now);
    }

    /// Whether a request may be sent once more.
    pub fn spend(&self, now: Instant) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.add(0.0, now);
        let is_granted = saved.retries >= 1.0;
        if is_granted {
            saved.retries -= 1.0;
        }
        let count = if is_granted { &self.granted } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        is_granted
    }

    /// Retries that were made, and that were refused.
    pub fn counts(&self) -> (u64, u64) {
        (self.granted.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_every_request_fails_a_tenth_of_them_is_sent_again() {
        let now = Instant::now();
        let budget = Budget::new(now);

        let retries = (0..1000).filter(|_| {
            budget.earn(now);
            budget.spend(now)
        });

        let retries = retries.count();
        assert!((100..=111).contains(&retries), "{retries}");
        assert_eq!(budget.counts(), (retries as u64, 1000 - retries as u64));
    }

    #[test]
    fn what_was_saved_is_spent_at_once_and_earned_again_by_waiting() {
        let now = Instant::now();
        let budget = Budget::new(now);
        while budget.spend(now) {}

        assert!(!budget.spend(now + ONE_IN / 2));
        assert!(budget.spend(now + ONE_IN));
        assert_eq!((0..20).filter(|_| budget.spend(now + ONE_IN * 1000)).count(), MOST as usize);
    }
}
