use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use hdrhistogram::Histogram;
use hyper::StatusCode;

use super::{PAUSE, Recital, WORDS, at, client::Client};
use crate::{Setup, chat::ChatError, load::arrivals, rounds::Rounds, table::Table};

const SLOTS: usize = 16;
/// Twice the slots: who waits at the end of it waits for the time of two answers.
const QUEUE: usize = 32;
const CALLERS: u8 = 20;
/// What is asked, as a multiple of what can be answered.
const LOADS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];
/// A good answer begins within this.
const GOOD_FIRST_TOKEN: Duration = Duration::from_secs(2);
/// After this a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

const COLUMNS: &[&str] = &[
    "asked, of what can be answered",
    "asked req/s",
    "answered",
    "refused with 429 / 503",
    "failed",
    "good req/s",
    "first token p50 / p99",
    "refused after p50 / p99 / max",
];

/// What became of the requests of one load.
struct Outcome {
    first_token: Histogram<u64>,
    refused_after: Histogram<u64>,
    good: Rounds,
    answered: u32,
    too_many: u32,
    unavailable: u32,
    failed: u32,
}

pub async fn measure(setup: &Setup, duration: Duration, targets: &mut Table) -> anyhow::Result<Table> {
    let recital = Recital::start(setup, SLOTS, QUEUE)?;
    let capacity = SLOTS as f64 / (PAUSE * WORDS).as_secs_f64();
    let clients: Vec<_> =
        (1..=CALLERS).map(|number| Client::new(&recital.server.endpoint(), Ipv4Addr::new(127, 0, 1, number))).collect();
    let mut random = fastrand::Rng::with_seed(1);
    let mut outcomes = LOADS.iter().map(|_| Outcome::new()).collect::<anyhow::Result<Vec<_>>>()?;
    for round in 1..=setup.rounds {
        for (load, outcome) in LOADS.iter().zip(&mut outcomes) {
            eprintln!("overload: round {round} of {}, {load} times what can be answered", setup.rounds);
            outcome.add(&clients, &arrivals(&mut random, load * capacity, duration)).await?;
        }
    }
    let mut table = Table::new(
        "Overload",
        COLUMNS,
        format!(
            "Poisson arrivals from {CALLERS} addresses over {} s for each load, {} rounds, answers of {WORDS} words in \
             {:?}, {SLOTS} slots, a line of {QUEUE}. Times are milliseconds from the intended start. A good answer begins \
             within {GOOD_FIRST_TOKEN:?}; its rate is the median of the rounds (least–greatest).",
            duration.as_secs(),
            setup.rounds,
            PAUSE * WORDS,
        ),
    );
    for (load, outcome) in LOADS.iter().zip(&outcomes) {
        table.row(outcome.cells(*load, capacity));
    }
    if let [.., last] = &outcomes[..] {
        last.compare(&outcomes, targets);
    }
    Ok(table)
}

impl Outcome {
    fn new() -> anyhow::Result<Self> {
        let (first_token, refused_after) = (Histogram::new(3)?, Histogram::new(3)?);
        let good = Rounds::default();
        Ok(Self { first_token, refused_after, good, answered: 0, too_many: 0, unavailable: 0, failed: 0 })
    }

    /// One round, to the end of its last answer.
    async fn add(&mut self, clients: &[Client], arrivals: &[Duration]) -> anyhow::Result<()> {
        let start = Instant::now();
        let requests = arrivals.iter().zip(clients.iter().cycle()).map(|(&arrival, client)| async move {
            let intended = start + arrival;
            tokio::time::sleep_until(intended.into()).await;
            let answer = tokio::time::timeout(PATIENCE, client.ask()).await;
            (
                intended,
                answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {PATIENCE:?}").into())),
                Instant::now(),
            )
        });
        let (mut good, mut ended) = (0, start);
        for (intended, answer, at) in join_all(requests).await {
            ended = ended.max(at);
            match answer {
                Ok(answer) => {
                    let first_token = answer.first_piece() - intended;
                    self.first_token.record(first_token.as_micros() as u64)?;
                    self.answered += 1;
                    good += u32::from(first_token <= GOOD_FIRST_TOKEN);
                }
                Err(ChatError::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. }) => {
                    self.too_many += 1;
                    self.refused_after.record((at - intended).as_micros() as u64)?;
                }
                Err(ChatError::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. }) => {
                    self.unavailable += 1;
                    self.refused_after.record((at - intended).as_micros() as u64)?;
                }
                Err(error) => {
                    eprintln!("overload: {error}");
                    self.failed += 1;
                }
            }
        }
        self.good.push(f64::from(good) / (ended - start).as_secs_f64());
        Ok(())
    }

    fn cells(&self, load: f64, capacity: f64) -> [String; 8] {
        let quantiles = |times: &Histogram<u64>, quantiles: &[f64]| {
            let at = quantiles.iter().map(|&quantile| format!("{:.1}", at(times, quantile)));
            if times.is_empty() { String::new() } else { at.collect::<Vec<_>>().join(" / ") }
        };
        [
            format!("{load}"),
            format!("{:.0}", load * capacity),
            self.answered.to_string(),
            format!("{} / {}", self.too_many, self.unavailable),
            self.failed.to_string(),
            self.good.spread(1),
            quantiles(&self.first_token, &[0.5, 0.99]),
            quantiles(&self.refused_after, &[0.5, 0.99, 1.0]),
        ]
    }

    /// This load, at which most is asked, beside the best of all.
    fn compare(&self, all: &[Self], targets: &mut Table) {
        let best = all.iter().max_by(|one, other| one.good.median().total_cmp(&other.good.median()));
        let best = best.map_or_else(Rounds::default, |best| best.good.clone());
        let ratio = self.good.median() / best.median();
        let cells = [
            "good req/s at 10 times what can be answered".to_owned(),
            self.good.spread(1),
            format!("the best load: {}", best.spread(1)),
            format!("{ratio:.2}"),
        ];
        targets.compare(cells, "≥ 0.9", Some(ratio >= 0.9));
        let p99 = at(&self.refused_after, 0.99);
        let cells = ["refused after, p99, at 10 times".to_owned(), format!("{p99:.1}"), String::new(), String::new()];
        targets.compare(cells, "< 50", Some(p99 < 50.0));
    }
}
