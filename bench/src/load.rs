//! An open-loop load generator: requests are sent when their time has come, whether or not others are answered.
//!
//! A client that waits for an answer before it asks again stops asking exactly while the server is slow, and so hides
//! it. Here the arrivals are a Poisson process that is drawn beforehand, and every time counts from the moment at which a
//! request should have been sent.

use std::time::{Duration, Instant};

use clap::Args;
use futures::future::join_all;
use hdrhistogram::Histogram;
use hyper::StatusCode;

use crate::{
    Setup,
    chat::{Answer, ChatError, ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
    idle_connections::IdleConnections,
    runtime,
    table::Table,
    words::question,
};

/// A server on this machine and the load on it.
#[derive(Args)]
pub struct LoadArgs {
    /// Base URL of an OpenAI-compatible server on this machine, such as `http://127.0.0.1:8000/v1`.
    #[arg(long)]
    url: Endpoint,

    /// Requests per second; several are tried one after the other.
    #[arg(long, required = true, value_delimiter = ',', value_parser = positive)]
    rate: Vec<f64>,

    /// Seconds for which requests are sent, for each rate.
    #[arg(long, default_value_t = 30)]
    seconds: u64,

    /// Longest answer in tokens.
    #[arg(long, default_value_t = 64)]
    max_tokens: u32,

    /// Which model is asked; by default the first that the server lists.
    #[arg(long)]
    model: Option<String>,
}

const PROMPT_WORDS: usize = 60;
/// After this a request counts as failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a request has to keep to count as good: time to its first token, and the mean time of each further one.
const GOOD_FIRST_TOKEN: Duration = Duration::from_secs(1);
const GOOD_TOKEN: Duration = Duration::from_millis(50);
/// The rates that are tried around what the server can do, as parts of it.
const PARTS_OF_CAPACITY: [f64; 4] = [0.25, 0.5, 0.75, 1.5];

const COLUMNS: &[&str] = &[
    "offered req/s",
    "sent",
    "answered",
    "rejected",
    "failed",
    "first token p50 / p95 / p99, ms",
    "between texts p50 / p95 / p99 / max, ms",
    "tokens/s",
    "good req/s",
];

pub fn measure(args: &LoadArgs) -> anyhow::Result<Table> {
    runtime()?.block_on(async {
        let mut connection = Connection::open(&args.url).await?;
        let model = match &args.model {
            Some(model) => model.clone(),
            None => connection.first_model().await?,
        };
        // A model that has yet to be loaded would count against the first requests.
        ChatRequest::new(&model, vec![Message::user("Hello")], 1).send(&mut connection).await?;
        let mut table = Table::new(
            "Load",
            COLUMNS,
            format!(
                "Poisson arrivals over {} s for each rate, prompts of {PROMPT_WORDS} unseen words, answers of up to {} \
                 tokens of `{model}`. Times count from the intended start. A good request has its first token in \
                 {GOOD_FIRST_TOKEN:?} and each further one in {GOOD_TOKEN:?} on average.",
                args.seconds, args.max_tokens,
            ),
        );
        for &rate in &args.rate {
            eprintln!("load: {rate:.2} requests/s for {} s", args.seconds);
            table.row(Load { args, model: &model }.run(rate).await?);
        }
        Ok(table)
    })
}

/// Rates below and above the `capacity` of the own engine in tokens per second.
pub fn around_capacity(setup: &Setup, capacity: f64) -> anyhow::Result<Table> {
    let server = setup.serve_model()?;
    let max_tokens = 64;
    let requests_per_second = capacity / f64::from(max_tokens);
    measure(&LoadArgs {
        url: server.endpoint(),
        rate: PARTS_OF_CAPACITY.iter().map(|part| part * requests_per_second).collect(),
        seconds: 20,
        max_tokens,
        model: None,
    })
}

struct Load<'a> {
    args: &'a LoadArgs,
    model: &'a str,
}

/// What became of the requests.
struct Outcome {
    /// Microseconds.
    first_token: Histogram<u64>,
    /// Microseconds.
    between_texts: Histogram<u64>,
    answered: u32,
    rejected: u32,
    failed: u32,
    good: u32,
    tokens: u64,
}

impl Load<'_> {
    async fn run(&self, rate: f64) -> anyhow::Result<Vec<String>> {
        let mut random = fastrand::Rng::with_seed(rate.to_bits());
        let arrivals = arrivals(&mut random, rate, Duration::from_secs(self.args.seconds));
        let prompts: Vec<_> = arrivals.iter().map(|_| question(&mut random, PROMPT_WORDS)).collect();
        let connections = IdleConnections::new(&self.args.url, None);
        let start = Instant::now();
        let requests = arrivals.iter().zip(prompts).map(|(&arrival, prompt)| {
            let connections = &connections;
            async move {
                let intended = start + arrival;
                tokio::time::sleep_until(intended.into()).await;
                let answer = tokio::time::timeout(PATIENCE, self.ask(connections, prompt)).await;
                (intended, answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in {PATIENCE:?}").into())))
            }
        });
        let mut outcome = Outcome::new()?;
        for (intended, answer) in join_all(requests).await {
            outcome.count(intended, answer)?;
        }
        Ok(outcome.cells(rate, start.elapsed()))
    }

    async fn ask(&self, connections: &IdleConnections, prompt: String) -> Result<Answer, ChatError> {
        let mut connection = connections.take().await?;
        let request = ChatRequest::new(self.model, vec![Message::user(prompt)], self.args.max_tokens);
        let answer = request.send(&mut connection).await?;
        connections.give_back(connection);
        Ok(answer)
    }
}

impl Outcome {
    fn new() -> anyhow::Result<Self> {
        let (first_token, between_texts) = (Histogram::new(3)?, Histogram::new(3)?);
        Ok(Self { first_token, between_texts, answered: 0, rejected: 0, failed: 0, good: 0, tokens: 0 })
    }

    fn count(&mut self, intended: Instant, answer: Result<Answer, ChatError>) -> anyhow::Result<()> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(ChatError::Refused {
                status: StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, ..
            }) => {
                self.rejected += 1;
                return Ok(());
            }
            Err(error) => {
                eprintln!("load: {error}");
                self.failed += 1;
                return Ok(());
            }
        };
        let first_token = answer.first_piece() - intended;
        self.first_token.record(first_token.as_micros() as u64)?;
        for pair in answer.pieces.windows(2) {
            self.between_texts.record((pair[1].arrived - pair[0].arrived).as_micros() as u64)?;
        }
        let per_token = (answer.finished - answer.first_piece()) / answer.tokens_after_first().max(1);
        self.good += u32::from(first_token <= GOOD_FIRST_TOKEN && per_token <= GOOD_TOKEN);
        self.answered += 1;
        self.tokens += u64::from(answer.usage.completion_tokens);
        Ok(())
    }

    fn cells(&self, rate: f64, elapsed: Duration) -> Vec<String> {
        let at = |times: &Histogram<u64>, quantile| format!("{:.1}", times.value_at_quantile(quantile) as f64 / 1e3);
        let quantiles = |times| [0.5, 0.95, 0.99].map(|quantile| at(times, quantile)).join(" / ");
        vec![
            format!("{rate:.2}"),
            (self.answered + self.rejected + self.failed).to_string(),
            self.answered.to_string(),
            self.rejected.to_string(),
            self.failed.to_string(),
            quantiles(&self.first_token),
            format!("{} / {}", quantiles(&self.between_texts), at(&self.between_texts, 1.0)),
            format!("{:.1}", self.tokens as f64 / elapsed.as_secs_f64()),
            format!("{:.2}", f64::from(self.good) / elapsed.as_secs_f64()),
        ]
    }
}

/// A Poisson process: the pauses between arrivals are exponentially distributed.
pub fn arrivals(random: &mut fastrand::Rng, rate: f64, duration: Duration) -> Vec<Duration> {
    let mut arrivals = Vec::new();
    let mut time = 0.0;
    loop {
        time -= (1.0 - random.f64()).ln() / rate;
        if time >= duration.as_secs_f64() {
            return arrivals;
        }
        arrivals.push(Duration::from_secs_f64(time));
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("must be a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_asked_rate_and_the_same_seed_gives_the_same_ones() {
        let draw = || arrivals(&mut fastrand::Rng::with_seed(7), 10.0, Duration::from_secs(1000));

        let arrivals = draw();

        assert!((9_500..10_500).contains(&arrivals.len()), "{}", arrivals.len());
        assert!(arrivals.is_sorted());
        assert_eq!(arrivals, draw());
    }
}
