//! What is read of a backend's `/metrics`, which is Prometheus' text format.

/// The series that the panel shows, summed over their labels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub in_flight: Option<f64>,
    pub queue_depth: Option<f64>,
    pub completion_tokens: Option<f64>,
    pub first_token_seconds: Option<f64>,
    pub first_tokens: Option<f64>,
}

impl Totals {
    /// Series by other names are skipped, and so is a line that is not one of the format's.
    pub(crate) fn parse(text: &str) -> Self {
        let mut totals = Self::default();
        for (name, labels, value) in text.lines().filter_map(series) {
            let total = match name {
                "flotilla_answers_in_flight" => &mut totals.in_flight,
                "flotilla_queue_depth" => &mut totals.queue_depth,
                "flotilla_tokens_total" if labels.contains("kind=\"completion\"") => &mut totals.completion_tokens,
                "flotilla_time_to_first_token_seconds_sum" => &mut totals.first_token_seconds,
                "flotilla_time_to_first_token_seconds_count" => &mut totals.first_tokens,
                _ => continue,
            };
            *total = Some(total.unwrap_or_default() + value);
        }
        // A backend that has answered nothing yet has no series for tokens, and has counted none.
        if totals.in_flight.is_some() {
            totals.completion_tokens.get_or_insert(0.0);
        }
        totals
    }
}

/// Name, labels as written, and value of a line.
fn series(line: &str) -> Option<(&str, &str, f64)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    let (name, labels, rest) = match line.split_once('{') {
        // Label values may hold braces, numbers never do.
        Some((name, rest)) => rest.rsplit_once('}').map(|(labels, rest)| (name, labels, rest))?,
        None => line.split_once(' ').map(|(name, rest)| (name, "", rest))?,
    };
    let value = rest.split_whitespace().next()?.parse::<f64>().ok()?;
    value.is_finite().then_some((name.trim(), labels, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_servers_own_text_is_understood() {
        let totals = Totals::parse(include_str!("../../tests/fixtures/backend-metrics.txt"));
        let expected = Totals {
            in_flight: Some(3.0),
            queue_depth: Some(2.0),
            completion_tokens: Some(1540.0),
            first_token_seconds: Some(4.5),
            first_tokens: Some(18.0),
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn a_backend_that_has_answered_nothing_has_counted_no_tokens() {
        assert_eq!(Totals::parse("flotilla_answers_in_flight 0\n").completion_tokens, Some(0.0));
        assert_eq!(Totals::parse("").completion_tokens, None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text: String) {
            Totals::parse(&text);
        }
    }
}
