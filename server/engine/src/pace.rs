//! How large a step may be, so that it does not last long.
//!
//! While a step computes, no chat gets a token, no request starts and no cancel is seen. Prompts can be long and machines
//! slow, so a step takes as many prompt tokens as this machine computes in a fixed time, by its own recent speed.

use std::time::Duration;

/// The recent speed of prompts.
#[derive(Debug, Default)]
pub struct Pace {
    /// Seconds.
    per_token: Option<f64>,
}

/// How long a step with prompts may take.
const STEP: Duration = Duration::from_millis(150);
/// Larger steps gain next to nothing from being larger, and smaller ones lose.
const TOKENS: std::ops::RangeInclusive<usize> = 32..=512;
/// How much the newest step counts.
const WEIGHT: f64 = 0.5;

impl Pace {
    /// Prompt tokens for the next step.
    pub fn prompt_tokens(&self) -> usize {
        let fitting = self.per_token.map_or(*TOKENS.start(), |seconds| (STEP.as_secs_f64() / seconds) as usize);
        fitting.clamp(*TOKENS.start(), *TOKENS.end())
    }

    /// Learns from a step of `tokens` that took `duration`.
    pub fn record(&mut self, tokens: usize, duration: Duration) {
        // A step of few tokens is bound by reading the weights, and says nothing of prompts.
        if tokens >= *TOKENS.start() {
            let newest = duration.as_secs_f64() / tokens as f64;
            self.per_token = Some(self.per_token.map_or(newest, |before| before + WEIGHT * (newest - before)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_machine_takes_large_steps_and_a_slow_one_small_steps() {
        let pace = |milliseconds_per_token: u64| {
            let mut pace = Pace::default();
            pace.record(100, Duration::from_millis(100 * milliseconds_per_token));
            pace.prompt_tokens()
        };

        assert_eq!(pace(0), 512);
        assert_eq!(pace(1), 150);
        assert_eq!(pace(50), 32);
    }

    #[test]
    fn the_first_step_is_small_and_decoding_teaches_nothing() {
        let mut pace = Pace::default();
        pace.record(4, Duration::from_millis(10));

        assert_eq!(pace.prompt_tokens(), 32);
    }
}
