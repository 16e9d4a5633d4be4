//! The series of the models in memory. They are made for each look at the metrics, so that a model which has left has none.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Unit,
};

use crate::engine::Engine;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

/// What the engine tells at each look.
pub struct Memory {
    pub engine: Arc<dyn Engine>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memory")
    }
}

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(memory) = self.engine.memory() else { return Ok(()) };
        let models = Family::<ModelLabels, Gauge>::default();
        for (model, bytes) in memory.models {
            models.get_or_create(&ModelLabels { model }).set(bytes.cast_signed());
        }
        let limit = ConstGauge::new(memory.limit.cast_signed());
        let mut series = |name, help, metric: &dyn EncodeMetric| {
            let encoder = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), metric.metric_type())?;
            metric.encode(encoder)
        };
        series("model_memory", "Memory that a model takes, about, while it is in memory", &models)?;
        series("model_memory_limit", "Memory that all models may take together", &limit)
    }
}
