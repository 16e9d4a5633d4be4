//! The series of the replicas that the server stands in front of, and of the slots that they have. They are made for each
//! look at the metrics, so that a replica which has left the pool has none.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
};

use crate::engine::{BreakerState, ChosenBy, Engine, Pool, PoolStatus};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplicaLabels {
    /// Host, port and path.
    replica: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerLabels {
    replica: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChosenLabels {
    replica: String,
    chosen_by: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetryLabels {
    outcome: &'static str,
}

const BREAKER_STATES: [(BreakerState, &str); 3] =
    [(BreakerState::Closed, "closed"), (BreakerState::Open, "open"), (BreakerState::HalfOpen, "half_open")];

/// What the engine tells at each look.
pub struct Replicas {
    pub engine: Arc<dyn Engine>,
    pub slots_each: usize,
}

impl fmt::Debug for Replicas {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Replicas")
    }
}

impl Collector for Replicas {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let pool = self.engine.pool();
        let slots = ConstGauge::new((self.slots_each * pool.map_or(1, Pool::replicas)) as i64);
        let help = "Answers that can be written at once, by all replicas that answer, of a model that each of them has";
        slots.encode(encoder.encode_descriptor("slots", help, None, slots.metric_type())?)?;
        pool.map_or(Ok(()), |pool| encode(&pool.status(), encoder))
    }
}

fn encode(pool: &PoolStatus, mut encoder: DescriptorEncoder) -> fmt::Result {
    let requests = Family::<ReplicaLabels, Gauge>::default();
    let tokens = Family::<ReplicaLabels, Gauge>::default();
    let breaker = Family::<BreakerLabels, Gauge>::default();
    let chosen = Family::<ChosenLabels, Counter>::default();
    let failures = Family::<ReplicaLabels, Counter>::default();
    for status in &pool.replicas {
        let labels = ReplicaLabels { replica: status.name.clone() };
        requests.get_or_create(&labels).set(status.outstanding_requests.cast_signed());
        tokens.get_or_create(&labels).set(status.outstanding_tokens.cast_signed());
        failures.get_or_create(&labels).inc_by(status.failures);
        for (state, name) in BREAKER_STATES {
            let labels = BreakerLabels { replica: status.name.clone(), state: name };
            breaker.get_or_create(&labels).set(i64::from(state == status.breaker));
        }
        for (reason, count) in status.requests {
            let labels = ChosenLabels { replica: status.name.clone(), chosen_by: name_of(reason) };
            chosen.get_or_create(&labels).inc_by(count);
        }
    }
    let retries = Family::<RetryLabels, Counter>::default();
    for (outcome, count) in [("sent", pool.retries), ("over_budget", pool.retries_refused)] {
        retries.get_or_create(&RetryLabels { outcome }).inc_by(count);
    }

    let mut series = |name, help, family: &dyn EncodeMetric| {
        let encoder = encoder.encode_descriptor(name, help, None, family.metric_type())?;
        family.encode(encoder)
    };
    series("replica_outstanding_requests", "Requests that a replica has not ended", &requests)?;
    let help = "Tokens of prompts and answers that a replica has still to compute, by guess";
    series("replica_outstanding_tokens", help, &tokens)?;
    let help = "1 for the state that a replica's breaker is in: while it is open the replica gets no requests";
    series("replica_breaker", help, &breaker)?;
    let help = "Requests sent to a replica, by why it was chosen: the prefix in its cache, its load, or a probe";
    series("replica_requests", help, &chosen)?;
    series("replica_failures", "Requests that a replica did not answer, or not to the end", &failures)?;
    let help = "Requests that failed before their answer began and were sent to another replica, or were not";
    series("replica_retries", help, &retries)
}

fn name_of(reason: ChosenBy) -> &'static str {
    match reason {
        ChosenBy::Prefix => "prefix",
        ChosenBy::Load => "load",
        ChosenBy::Probe => "probe",
    }
}
