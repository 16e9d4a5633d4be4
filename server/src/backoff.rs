//! How long to wait before something that failed is tried again: a process that died, a connection that broke.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// See [`Backoff::starting_anew_after`].
const STABLE: Duration = Duration::from_secs(60);

/// Doubles the pause with each failure that comes soon after the start.
#[derive(Debug)]
pub struct Backoff {
    failures: u32,
    stable: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::starting_anew_after(STABLE)
    }
}

impl Backoff {
    /// What went well for this long was well; what ended it is not what ended the tries before.
    pub fn starting_anew_after(stable: Duration) -> Self {
        Self { failures: 0, stable }
    }

    /// The pause after a try that went well for `well`: random between half of the current ceiling and all of it, so
    /// that those who failed together do not come back together.
    pub fn pause(&mut self, well: Duration) -> Duration {
        if well >= self.stable {
            self.failures = 0;
        }
        let ceiling = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures += 1;
        ceiling.mul_f64(0.5 + 0.5 * random_fraction())
    }
}

/// 0 to 1, from the seed that each `RandomState` has of its own.
fn random_fraction() -> f64 {
    RandomState::new().hash_one(()) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_quick_failure_doubles_the_pause_up_to_half_a_minute() {
        let mut backoff = Backoff::default();

        for ceiling in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let pause = backoff.pause(Duration::ZERO).as_millis();
            assert!((ceiling / 2..=ceiling).contains(&pause), "{pause} ms is not within {ceiling} ms");
        }
    }

    #[test]
    fn what_went_well_for_a_while_starts_the_count_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.pause(Duration::ZERO);
        }

        assert!(backoff.pause(STABLE) <= FIRST);
    }
}
