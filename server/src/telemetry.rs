//! Log lines and Prometheus metrics. Prompts, answers and secrets are in neither.

mod replicas;

use std::{io::IsTerminal, iter, sync::atomic::AtomicU64, time::Instant};

use futures::StreamExt;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    config::LogFormat,
    engine::{ChatStream, Delta, EngineError, FinishReason, PoolStatus},
};

/// Send log lines to stderr. `RUST_LOG` filters them, as in every Rust program.
pub fn init_logs(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm_migration=warn"));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logs are set up already");
    }
}

/// Every series of `GET /metrics`.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    answers: Family<AnswerLabels, Counter>,
    answers_resumed: Family<ResumedLabels, Counter>,
    answers_in_flight: Gauge,
    answers_waiting: Gauge,
    time_to_first_token: Histogram,
    queue_wait: Histogram,
    tokens_per_second: Histogram,
    tokens: Family<TokenLabels, Counter>,
    answer_seconds: Counter<f64, AtomicU64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    /// The path as in the routing table, so that ids make no series of their own.
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    model: String,
    outcome: &'static str,
}

/// Whose death an answer has survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Engine,
    Server,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResumedLabels {
    cause: &'static str,
}

impl From<Cause> for ResumedLabels {
    fn from(cause: Cause) -> Self {
        Self {
            cause: match cause {
                Cause::Engine => "engine",
                Cause::Server => "server",
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    model: String,
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flotilla");
        let seconds = || Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0]);
        let requests = Family::default();
        registry.register("http_requests", "Requests by route and status", requests.clone());
        let answers = Family::default();
        registry.register("answers", "Ended answers by model and outcome", answers.clone());
        let answers_resumed: Family<ResumedLabels, Counter> = Family::default();
        // A series that is there from the start, so that its first count is seen as one.
        for cause in [Cause::Engine, Cause::Server] {
            drop(answers_resumed.get_or_create(&cause.into()));
        }
        let help = "Answers that went on after their engine, or the server that wrote them, had died";
        registry.register("answers_resumed", help, answers_resumed.clone());
        let answers_in_flight = Gauge::default();
        registry.register("answers_in_flight", "Answers being written now", answers_in_flight.clone());
        let answers_waiting = Gauge::default();
        let help = "Answers without a first piece of text: queued, or their prompt is being read";
        registry.register("answers_waiting", help, answers_waiting.clone());
        let time_to_first_token = seconds();
        let help = "From the request to the first piece of text";
        registry.register_with_unit("time_to_first_token", help, Unit::Seconds, time_to_first_token.clone());
        let queue_wait = seconds();
        let help = "Wait for a slot of the engine";
        registry.register_with_unit("queue_wait", help, Unit::Seconds, queue_wait.clone());
        let tokens_per_second = Histogram::new([1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0]);
        registry.register("tokens_per_second", "Decoding speed of an answer", tokens_per_second.clone());
        let tokens = Family::default();
        registry.register("tokens", "Tokens by model: prompt, cached (part of prompt), completion", tokens.clone());
        let answer_seconds = Counter::default();
        let help = "Time that engines spent on answers";
        registry.register_with_unit("answer", help, Unit::Seconds, answer_seconds.clone());
        Self {
            registry,
            requests,
            answers,
            answers_resumed,
            answers_in_flight,
            answers_waiting,
            time_to_first_token,
            queue_wait,
            tokens_per_second,
            tokens,
            answer_seconds,
        }
    }
}

impl Metrics {
    /// All series in the text format that Prometheus reads, with those of the replicas where there are some.
    pub fn render(&self, pool: Option<&PoolStatus>) -> String {
        let replicas = pool.map(replicas::registry);
        let mut series = String::new();
        for registry in iter::once(&self.registry).chain(&replicas) {
            // Writing into a string cannot fail.
            let _ = text::encode_registry(&mut series, registry);
        }
        let _ = text::encode_eof(&mut series);
        series
    }

    pub fn count_request(&self, method: &str, route: &str, status: u16) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
    }

    pub fn count_resumed(&self, cause: Cause) {
        self.answers_resumed.get_or_create(&cause.into()).inc();
    }

    /// The same stream, counted. `asked` is when the request came.
    pub fn observe(&self, model: &str, asked: Instant, mut stream: ChatStream) -> ChatStream {
        let mut watch = AnswerWatch::new(self, model);
        async_stream::stream! {
            while let Some(delta) = stream.next().await {
                watch.see(asked, &delta);
                yield delta;
            }
        }
        .boxed()
    }
}

/// Counts one answer; a drop before its end is a cancellation.
struct AnswerWatch {
    model: String,
    outcome: &'static str,
    started: Instant,
    has_text: bool,
    in_flight: Gauge,
    waiting: Gauge,
    answers: Family<AnswerLabels, Counter>,
    time_to_first_token: Histogram,
    queue_wait: Histogram,
    tokens_per_second: Histogram,
    tokens: Family<TokenLabels, Counter>,
    seconds: Counter<f64, AtomicU64>,
}

impl AnswerWatch {
    fn new(metrics: &Metrics, model: &str) -> Self {
        metrics.answers_in_flight.inc();
        metrics.answers_waiting.inc();
        Self {
            model: model.to_owned(),
            outcome: "cancelled",
            started: Instant::now(),
            has_text: false,
            in_flight: metrics.answers_in_flight.clone(),
            waiting: metrics.answers_waiting.clone(),
            answers: metrics.answers.clone(),
            time_to_first_token: metrics.time_to_first_token.clone(),
            queue_wait: metrics.queue_wait.clone(),
            tokens_per_second: metrics.tokens_per_second.clone(),
            tokens: metrics.tokens.clone(),
            seconds: metrics.answer_seconds.clone(),
        }
    }

    fn see(&mut self, asked: Instant, delta: &Result<Delta, EngineError>) {
        match delta {
            Ok(Delta::Text(_)) if !self.has_text => {
                self.has_text = true;
                self.waiting.dec();
                self.time_to_first_token.observe(asked.elapsed().as_secs_f64());
            }
            Ok(Delta::Text(_)) => {}
            Ok(Delta::Done(completion)) => {
                self.outcome = match completion.finish_reason {
                    FinishReason::Cancelled => "cancelled",
                    _ => "complete",
                };
                self.queue_wait.observe(completion.timings.queued_ms / 1000.0);
                if let Some(speed) = completion.tokens_per_second() {
                    self.tokens_per_second.observe(speed);
                }
                let usage = completion.usage;
                self.count_tokens("prompt", usage.prompt_tokens);
                self.count_tokens("cached", usage.cached_tokens);
                self.count_tokens("completion", usage.completion_tokens);
            }
            Err(_) => self.outcome = "failed",
        }
    }

    fn count_tokens(&self, kind: &'static str, count: u32) {
        let labels = TokenLabels { model: self.model.clone(), kind };
        self.tokens.get_or_create(&labels).inc_by(u64::from(count));
    }
}

impl Drop for AnswerWatch {
    fn drop(&mut self) {
        self.in_flight.dec();
        if !self.has_text {
            self.waiting.dec();
        }
        self.seconds.inc_by(self.started.elapsed().as_secs_f64());
        let labels = AnswerLabels { model: std::mem::take(&mut self.model), outcome: self.outcome };
        self.answers.get_or_create(&labels).inc();
    }
}
