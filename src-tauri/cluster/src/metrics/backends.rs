//! Speeds of all backends together, from the differences of their counters between two samples.

use std::{collections::HashMap, time::Duration};

use futures::{StreamExt, stream};
use kube::Client;
use tokio::time::{Instant, timeout};

use super::Totals;

/// How long one backend may take, so that a stuck one does not hold up the sample.
const PATIENCE: Duration = Duration::from_secs(5);
const PORT: u16 = 8000;
/// More are not asked: their sum would cost the API server more than it is worth, and a part of them is no sum.
const MOST: usize = 32;

/// What the backends do now. `None` is what no backend tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub tokens_per_second: Option<f64>,
    /// The mean over the answers that began since the last sample.
    pub ttft_ms: Option<f64>,
    /// Requests in line for a slot.
    pub queue_depth: Option<f64>,
    pub in_flight: Option<f64>,
}

/// What each backend had counted at the last sample, by the pod's uid.
#[derive(Default)]
pub struct Backends {
    last: HashMap<String, (Instant, Totals)>,
}

impl Backends {
    /// Ask these pods, by uid and name, through the API server's proxy, which needs no route into the pod network.
    pub async fn sample(&mut self, client: &Client, namespace: &str, pods: Vec<(String, String)>) -> Rates {
        if pods.len() > MOST {
            return Rates::default();
        }
        let ask = |(uid, name): (String, String)| async move {
            let totals = totals(client, namespace, &name).await;
            totals.map(|totals| (uid, (Instant::now(), totals)))
        };
        let readings: HashMap<_, _> =
            stream::iter(pods).map(ask).buffer_unordered(8).filter_map(std::future::ready).collect().await;
        self.rates(readings)
    }

    fn rates(&mut self, readings: HashMap<String, (Instant, Totals)>) -> Rates {
        let mut rates = Rates::default();
        let (mut seconds, mut answers) = (None, None);
        for (uid, (now, totals)) in &readings {
            add(&mut rates.in_flight, totals.in_flight);
            add(&mut rates.queue_depth, totals.queue_depth);
            // The first reading of a backend says what it did in all its life, not since the last sample.
            let Some((then, before)) = self.last.get(uid) else { continue };
            let elapsed = now.saturating_duration_since(*then).as_secs_f64();
            let tokens = increase(before.completion_tokens, totals.completion_tokens);
            add(&mut rates.tokens_per_second, tokens.filter(|_| elapsed > 0.0).map(|tokens| tokens / elapsed));
            add(&mut seconds, increase(before.first_token_seconds, totals.first_token_seconds));
            add(&mut answers, increase(before.first_tokens, totals.first_tokens));
        }
        rates.ttft_ms = match (seconds, answers) {
            (Some(seconds), Some(answers)) if answers > 0.0 => Some(seconds / answers * 1000.0),
            _ => None,
        };
        self.last = readings;
        rates
    }
}

/// How many answers a backend is writing, as far as it tells.
pub(crate) async fn in_flight(client: &Client, namespace: &str, pod: &str) -> Option<f64> {
    totals(client, namespace, pod).await?.in_flight
}

async fn totals(client: &Client, namespace: &str, pod: &str) -> Option<Totals> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{PORT}/proxy/metrics");
    let request = http::Request::get(path).body(Vec::new()).ok()?;
    match timeout(PATIENCE, client.request_text(request)).await {
        Ok(Ok(text)) => Some(Totals::parse(&text)),
        Ok(Err(error)) => {
            tracing::debug!(pod, %error, "the backend's metrics cannot be read");
            None
        }
        Err(_) => None,
    }
}

/// How much a counter grew. One that is lower than before was reset by a restart and has counted from zero.
fn increase(before: Option<f64>, now: Option<f64>) -> Option<f64> {
    let now = now?;
    Some(match before {
        Some(before) if now >= before => now - before,
        _ => now,
    })
}

fn add(sum: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or_default() + value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading(seconds: u64, tokens: f64, answers: f64) -> (Instant, Totals) {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        let totals = Totals {
            in_flight: Some(3.0),
            queue_depth: Some(2.0),
            completion_tokens: Some(tokens),
            first_token_seconds: Some(answers * 0.25),
            first_tokens: Some(answers),
        };
        (start + Duration::from_secs(seconds), totals)
    }

    fn readings(pods: &[(&str, (Instant, Totals))]) -> HashMap<String, (Instant, Totals)> {
        pods.iter().map(|(uid, reading)| ((*uid).to_owned(), *reading)).collect()
    }

    #[test]
    fn speeds_are_differences_summed_over_the_pods() {
        let mut backends = Backends::default();
        backends.rates(readings(&[("a", reading(0, 1000.0, 10.0)), ("b", reading(0, 0.0, 0.0))]));
        let rates = backends.rates(readings(&[("a", reading(15, 1300.0, 12.0)), ("b", reading(15, 150.0, 2.0))]));
        assert_eq!(rates.tokens_per_second, Some(30.0));
        assert_eq!(rates.ttft_ms, Some(250.0));
        assert_eq!(rates.in_flight, Some(6.0));
        assert_eq!(rates.queue_depth, Some(4.0));
    }

    #[test]
    fn the_first_reading_has_no_speed() {
        let rates = Backends::default().rates(readings(&[("a", reading(0, 1000.0, 10.0))]));
        assert_eq!((rates.tokens_per_second, rates.ttft_ms), (None, None));
    }

    #[test]
    fn a_restarted_container_counts_from_zero() {
        let mut backends = Backends::default();
        backends.rates(readings(&[("a", reading(0, 1000.0, 10.0))]));
        let rates = backends.rates(readings(&[("a", reading(10, 50.0, 1.0))]));
        assert_eq!(rates.tokens_per_second, Some(5.0));
    }

    #[test]
    fn without_answers_there_is_no_time_to_first_token() {
        let mut backends = Backends::default();
        backends.rates(readings(&[("a", reading(0, 10.0, 1.0))]));
        let rates = backends.rates(readings(&[("a", reading(15, 10.0, 1.0))]));
        assert_eq!((rates.tokens_per_second, rates.ttft_ms), (Some(0.0), None));
    }

    proptest! {
        #[test]
        fn no_restart_makes_a_negative_speed(counts in proptest::collection::vec(0..1_000_000u32, 2..20)) {
            let mut backends = Backends::default();
            for (number, count) in counts.into_iter().enumerate() {
                let rates = backends.rates(readings(&[("a", reading(number as u64 * 15, f64::from(count), 1.0))]));
                prop_assert!(rates.tokens_per_second.unwrap_or_default() >= 0.0);
            }
        }
    }
}
