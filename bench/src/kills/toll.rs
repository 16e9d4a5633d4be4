//! What the kills did to the answers.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Counts over many answers.
pub struct Toll {
    answers: u32,
    whole: u32,
    same: u32,
    /// Characters in which the text that arrived differs from the text that was to come.
    wrong_characters: usize,
    /// Milliseconds.
    pauses: Histogram<u64>,
}

/// A gap between two pieces that is no longer than this is none that a kill has made.
const ORDINARY_GAP: Duration = Duration::from_millis(300);

impl Toll {
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { answers: 0, whole: 0, same: 0, wrong_characters: 0, pauses: Histogram::new(3)? })
    }

    /// An answer that came with these pieces, and what it should have been.
    pub fn count(&mut self, pieces: &[(Instant, String)], expected: &str, kills: &[Instant]) -> anyhow::Result<()> {
        let text: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
        self.answers += 1;
        self.whole += 1;
        self.same += u32::from(text == expected);
        self.wrong_characters += wrong_characters(&text, expected);
        for pair in pieces.windows(2) {
            let (before, after) = (pair[0].0, pair[1].0);
            if after - before > ORDINARY_GAP && kills.iter().any(|kill| (before..after).contains(kill)) {
                self.pauses.record((after - before).as_millis() as u64)?;
            }
        }
        Ok(())
    }

    /// An answer that ended with an error.
    pub fn count_failed(&mut self) {
        self.answers += 1;
    }

    /// Whether nobody noticed more than pauses.
    pub fn is_none(&self) -> bool {
        self.whole == self.answers && self.wrong_characters == 0
    }

    /// A row of the table: so many of these were killed.
    pub fn cells(&self, killed: &str, kills: u32) -> Vec<String> {
        let seconds = |quantile| format!("{:.1}", self.pauses.value_at_quantile(quantile) as f64 / 1e3);
        vec![
            killed.to_owned(),
            kills.to_string(),
            self.answers.to_string(),
            self.whole.to_string(),
            self.same.to_string(),
            self.wrong_characters.to_string(),
            format!("{} / {} / {}", seconds(0.5), seconds(0.95), seconds(1.0)),
            "0 lost or doubled, no error".to_owned(),
            if self.is_none() { "met" } else { "**missed**" }.to_owned(),
        ]
    }
}

/// How many characters stand between the longest common beginning of two texts and their longest common end.
fn wrong_characters(text: &str, expected: &str) -> usize {
    let (text, expected): (Vec<_>, Vec<_>) = (text.chars().collect(), expected.chars().collect());
    let same_start = text.iter().zip(&expected).take_while(|(left, right)| left == right).count();
    let (text, expected) = (&text[same_start..], &expected[same_start..]);
    let same_end = text.iter().rev().zip(expected.iter().rev()).take_while(|(left, right)| left == right).count();
    (text.len() - same_end).max(expected.len() - same_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_and_doubled_characters_are_counted() {
        assert_eq!(wrong_characters("one two", "one two"), 0);
        assert_eq!(wrong_characters("one wo", "one two"), 1);
        assert_eq!(wrong_characters("one one two", "one two"), 4);
        assert_eq!(wrong_characters("", "one"), 3);
    }

    #[test]
    fn a_wrong_character_is_a_toll_and_so_is_an_answer_that_failed() {
        let toll_of = |said: &str, failed: u32| {
            let mut toll = Toll::new().unwrap();
            toll.count(&[(Instant::now(), said.to_owned())], "one", &[]).unwrap();
            (0..failed).for_each(|_| toll.count_failed());
            toll
        };

        assert!(toll_of("one", 0).is_none());
        assert!(!toll_of("on", 0).is_none());
        assert!(!toll_of("one", 1).is_none());
    }

    #[test]
    fn only_a_gap_around_a_kill_is_a_pause() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let pieces = [(at(0), "a".to_owned()), (at(2_000), "b".to_owned()), (at(4_000), "c".to_owned())];
        let mut toll = Toll::new().unwrap();

        toll.count(&pieces, "abc", &[at(3_000)]).unwrap();

        assert_eq!(toll.pauses.len(), 1);
        assert_eq!((toll.same, toll.wrong_characters), (1, 0));
    }
}
