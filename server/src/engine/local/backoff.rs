//! How long to wait before a process that died is started again.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
/// A process that ran this long was well; what ended it is not what ended the ones before.
const STABLE: Duration = Duration::from_secs(5);

/// Doubles the pause with each process that dies soon after its start.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a process that served for `served`: random between half of the current ceiling and all of it, so
    /// that replicas which died together do not come back together.
    pub fn pause(&mut self, served: Duration) -> Duration {
        if served >= STABLE {
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
    fn each_quick_death_doubles_the_pause_up_to_half_a_minute() {
        let mut backoff = Backoff::default();

        for ceiling in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000] {
            let pause = backoff.pause(Duration::ZERO).as_millis();
            assert!((ceiling / 2..=ceiling).contains(&pause), "{pause} ms is not within {ceiling} ms");
        }
    }

    #[test]
    fn a_process_that_served_well_starts_the_count_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.pause(Duration::ZERO);
        }

        assert!(backoff.pause(STABLE) <= FIRST);
    }
}
