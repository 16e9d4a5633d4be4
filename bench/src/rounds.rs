//! One quantity, measured once a round.

/// The values of a quantity in the order of the rounds.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each round's value divided by that of `other` in the same round.
    pub fn ratio_to(&self, other: &Self) -> Self {
        self.each_with(other, |own, other| own / other)
    }

    /// Each round's value less that of `other` in the same round.
    pub fn difference_to(&self, other: &Self) -> Self {
        self.each_with(other, |own, other| own - other)
    }

    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match (sorted.len() / 2, sorted.len() % 2) {
            (_, _) if sorted.is_empty() => f64::NAN,
            (middle, 1) => sorted[middle],
            (middle, _) => (sorted[middle - 1] + sorted[middle]) / 2.0,
        }
    }

    pub fn max(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }

    /// The median and, in brackets, the least and the greatest value: `0.97 (0.95–0.99)`.
    pub fn spread(&self, decimals: usize) -> String {
        let sorted = self.sorted();
        let (Some(least), Some(greatest)) = (sorted.first(), sorted.last()) else { return "none".to_owned() };
        format!("{:.decimals$} ({least:.decimals$}–{greatest:.decimals$})", self.median())
    }

    fn each_with(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(&own, &other)| combine(own, other)).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// The order for this round of what is compared. Whatever a busy neighbour or a warm processor does to the first in line, it
/// does to each of them; and each comes after another in every second round, because a processor is slower after heavy work.
pub fn shift<T>(order: &mut [T], round: u32) {
    order.rotate_left(round as usize % order.len());
    if round % 2 == 1 {
        order.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> Rounds {
        Rounds(values.to_vec())
    }

    #[test]
    fn the_median_lies_between_the_middle_values() {
        assert_eq!(rounds(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(rounds(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let ratio = rounds(&[9.0, 2.0, 8.0]).ratio_to(&rounds(&[10.0, 1.0, 10.0]));

        assert_eq!(ratio.spread(1), "0.9 (0.8–2.0)");
    }
}
