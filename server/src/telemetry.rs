//! Log lines, Prometheus metrics and traces. Prompts, answers and secrets are in none of them.

mod logs;
mod memory;
mod otlp_client;
mod panics;
mod queue;
mod replicas;
pub mod spans;
mod traces;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use futures::StreamExt;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::sleep;

pub use self::{logs::init_logs, panics::log_panics, queue::QueueSeries, traces::Traces};
use self::{memory::Memory, replicas::Replicas};
use crate::{
    config::Config,
    engine::{ChatStream, Delta, Engine, EngineError, FinishReason},
};

/// Models that are told apart in metrics.
const MAX_MODELS: usize = 64;
/// Where an engine cannot say which models it has.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Every series of `GET /metrics`.
pub struct Metrics {
    registry: Registry,
    /// The names that are labels.
    models: Mutex<HashSet<String>>,
    pub queue: QueueSeries,
    requests: Family<RequestLabels, Counter>,
    answers: Family<AnswerLabels, Counter>,
    answers_resumed: Family<ResumedLabels, Counter>,
    answers_in_flight: Gauge,
    answers_waiting: Gauge,
    time_to_first_token: Histogram,
    inter_token: Histogram,
    tokens_per_second: Histogram,
    tokens: Family<TokenLabels, Counter>,
    draining: Gauge,
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

impl Metrics {
    /// What `engine` tells of itself is asked for at each look.
    pub fn new(config: &Config, engine: Arc<dyn Engine>) -> Self {
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
        let help = "Answers without a first piece of text: their prompt is being read";
        registry.register("answers_waiting", help, answers_waiting.clone());
        let time_to_first_token = seconds();
        let help = "From the request to the first piece of text";
        registry.register_with_unit("time_to_first_token", help, Unit::Seconds, time_to_first_token.clone());
        let inter_token = Histogram::new([0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0, 30.0]);
        let help = "From one piece of an answer's text to the next";
        registry.register_with_unit("inter_token", help, Unit::Seconds, inter_token.clone());
        let queue = QueueSeries::register(&mut registry, seconds());
        let tokens_per_second = Histogram::new([1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0]);
        registry.register("tokens_per_second", "Decoding speed of an answer", tokens_per_second.clone());
        let tokens = Family::default();
        registry.register("tokens", "Tokens by model: prompt, cached (part of prompt), completion", tokens.clone());
        let draining = Gauge::default();
        registry.register("draining", "1 once the server is on its way out", draining.clone());
        let answer_seconds = Counter::default();
        let help = "Time that engines spent on answers";
        registry.register_with_unit("answer", help, Unit::Seconds, answer_seconds.clone());
        registry.register_collector(Box::new(Memory { engine: engine.clone() }));
        registry.register_collector(Box::new(Replicas { engine, slots_each: config.slots_per_replica() }));
        Self {
            registry,
            models: Mutex::default(),
            queue,
            requests,
            answers,
            answers_resumed,
            answers_in_flight,
            answers_waiting,
            time_to_first_token,
            inter_token,
            tokens_per_second,
            tokens,
            draining,
            answer_seconds,
        }
    }

    /// All series in the text format that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub fn count_request(&self, method: &str, route: &str, status: u16) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
    }

    pub fn count_resumed(&self, cause: Cause) {
        self.answers_resumed.get_or_create(&cause.into()).inc();
    }

    /// Texts of so many tokens were made into vectors.
    pub fn count_embedded(&self, model: &str, tokens: u32) {
        let labels = TokenLabels { model: self.label_of(model), kind: "prompt" };
        self.tokens.get_or_create(&labels).inc_by(u64::from(tokens));
    }

    /// Some engines answer to any name, and each would be series of its own for ever.
    fn label_of(&self, model: &str) -> String {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if models.contains(model) || models.len() < MAX_MODELS && models.insert(model.to_owned()) {
            model.to_owned()
        } else {
            "other".to_owned()
        }
    }

    /// Make the series of the models that `engine` has, so that the first answer of each is seen as an increase. Ends when it
    /// has said which they are.
    pub async fn begin_series(&self, engine: &dyn Engine) {
        loop {
            if let Ok(models) = engine.models().await {
                // A server may have any number of models, and those that are asked for are to be told apart.
                for model in models.iter().take(MAX_MODELS / 2) {
                    self.begin_series_of(&model.id);
                }
                return;
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    /// From zero. Returns the model's label.
    fn begin_series_of(&self, model: &str) -> String {
        let model = self.label_of(model);
        for kind in ["prompt", "cached", "completion"] {
            drop(self.tokens.get_or_create(&TokenLabels { model: model.clone(), kind }));
        }
        for outcome in ["complete", "cancelled", "failed"] {
            drop(self.answers.get_or_create(&AnswerLabels { model: model.clone(), outcome }));
        }
        model
    }

    pub fn tell_draining(&self) {
        self.draining.set(1);
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
    last_text: Instant,
    in_flight: Gauge,
    waiting: Gauge,
    answers: Family<AnswerLabels, Counter>,
    time_to_first_token: Histogram,
    inter_token: Histogram,
    tokens_per_second: Histogram,
    tokens: Family<TokenLabels, Counter>,
    seconds: Counter<f64, AtomicU64>,
}

impl AnswerWatch {
    fn new(metrics: &Metrics, model: &str) -> Self {
        metrics.answers_in_flight.inc();
        metrics.answers_waiting.inc();
        let now = Instant::now();
        Self {
            model: metrics.begin_series_of(model),
            outcome: "cancelled",
            started: now,
            has_text: false,
            last_text: now,
            in_flight: metrics.answers_in_flight.clone(),
            waiting: metrics.answers_waiting.clone(),
            answers: metrics.answers.clone(),
            time_to_first_token: metrics.time_to_first_token.clone(),
            inter_token: metrics.inter_token.clone(),
            tokens_per_second: metrics.tokens_per_second.clone(),
            tokens: metrics.tokens.clone(),
            seconds: metrics.answer_seconds.clone(),
        }
    }

    fn see(&mut self, asked: Instant, delta: &Result<Delta, EngineError>) {
        match delta {
            Ok(Delta::Reasoning(_) | Delta::Text(_) | Delta::ToolCall(_)) if !self.has_text => {
                self.has_text = true;
                self.last_text = Instant::now();
                self.waiting.dec();
                self.time_to_first_token.observe(asked.elapsed().as_secs_f64());
            }
            Ok(Delta::Reasoning(_) | Delta::Text(_) | Delta::ToolCall(_)) => {
                let now = Instant::now();
                self.inter_token.observe((now - self.last_text).as_secs_f64());
                self.last_text = now;
            }
            Ok(Delta::Logprobs(_)) => {}
            Ok(Delta::Done(completion)) => {
                self.outcome = match completion.finish_reason {
                    FinishReason::Cancelled => "cancelled",
                    _ => "complete",
                };
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
