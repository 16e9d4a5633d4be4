use hdrhistogram::Histogram;

use crate::rounds::Rounds;

/// A delayed acknowledgement takes 40 ms.
const NAGLE_NS: std::ops::RangeInclusive<u64> = 35_000_000..=50_000_000;

/// How long texts were under way.
#[derive(Default)]
pub struct Delays {
    /// Milliseconds, one value for each round.
    pub p50: Rounds,
    pub p99: Rounds,
    pub longest: Rounds,
    /// Of all rounds.
    pub texts: u64,
    /// Those that took as long as a delayed acknowledgement.
    pub nagled: u64,
}

impl Delays {
    /// One round's nanoseconds.
    pub fn push(&mut self, round: &Histogram<u64>) {
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        self.p50.push(milliseconds(round.value_at_quantile(0.5)));
        self.p99.push(milliseconds(round.value_at_quantile(0.99)));
        self.longest.push(milliseconds(round.max()));
        self.texts += round.len();
        self.nagled += round.count_between(*NAGLE_NS.start(), *NAGLE_NS.end());
    }
}
