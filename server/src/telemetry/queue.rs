use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// The series of the line in front of the engine.
#[derive(Clone)]
pub struct QueueSeries {
    depth: Gauge,
    busy: Gauge,
    wait: Histogram,
    refused: Family<RefusalLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    cause: &'static str,
}

/// Those of [`crate::chat::admission::Refusal`], and the end of the server.
const CAUSES: [&str; 4] = ["queue_full", "caller_limit", "queue_timeout", "draining"];

impl QueueSeries {
    pub(super) fn register(registry: &mut Registry, wait: Histogram) -> Self {
        let (depth, busy) = (Gauge::default(), Gauge::default());
        registry.register("queue_depth", "Requests in line for a slot", depth.clone());
        registry.register("slots_busy", "Slots in use, of all models", busy.clone());
        registry.register_with_unit("queue_wait", "Wait for a slot", Unit::Seconds, wait.clone());
        let refused: Family<RefusalLabels, Counter> = Family::default();
        // Series that are there from the start, so that their first count is seen as one.
        for cause in CAUSES {
            drop(refused.get_or_create(&RefusalLabels { cause }));
        }
        registry.register("requests_refused", "Requests that got no slot, by cause", refused.clone());
        Self { depth, busy, wait, refused }
    }

    pub fn set(&self, depth: usize, busy: usize) {
        self.depth.set(depth as i64);
        self.busy.set(busy as i64);
    }

    /// Requests that have a slot or wait for one.
    pub fn load(&self) -> i64 {
        self.busy.get() + self.depth.get()
    }

    pub fn observe_wait(&self, wait: Duration) {
        self.wait.observe(wait.as_secs_f64());
    }

    /// `cause` is one of a few fixed words.
    pub fn count_refusal(&self, cause: &'static str) {
        self.refused.get_or_create(&RefusalLabels { cause }).inc();
    }
}
