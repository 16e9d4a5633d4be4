//! A HorizontalPodAutoscaler as the panel shows it.

mod explanation;
mod proposal;

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
};
use serde::Serialize;
use ts_rs::TS;

pub use self::proposal::{Proposal, TOLERANCE, propose};
use crate::{pods::milliseconds, quantity::number};

#[derive(Clone, Debug, PartialEq, Serialize, TS)]
pub struct Autoscaler {
    pub name: String,
    pub namespace: String,
    /// The Deployment whose replicas it owns.
    pub target: String,
    pub min: i32,
    pub max: i32,
    pub current: i32,
    pub desired: i32,
    pub metrics: Vec<Metric>,
    pub conditions: Vec<Condition>,
    /// Milliseconds since 1970.
    #[ts(type = "number | null")]
    pub last_scaled_at: Option<i64>,
    /// "Why this many replicas": sentences in order.
    pub explanation: Vec<String>,
}

/// What it measures, against what it aims at.
#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[ts(rename = "AutoscalerMetric")]
pub struct Metric {
    pub name: String,
    pub current: Option<f64>,
    pub target: f64,
    pub unit: MetricUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MetricUnit {
    /// Of what the pods request, averaged over them.
    Percent,
    /// The metric's own unit, averaged over the pods or as it is.
    Value,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
#[ts(rename = "AutoscalerCondition")]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: bool,
    pub reason: String,
    pub message: String,
}

impl From<&HorizontalPodAutoscaler> for Autoscaler {
    fn from(object: &HorizontalPodAutoscaler) -> Self {
        let spec = object.spec.clone().unwrap_or_default();
        let status = object.status.clone().unwrap_or_default();
        let statuses = status.current_metrics.unwrap_or_default();
        let metrics = spec.metrics.as_deref().unwrap_or_default().iter();
        let conditions = status.conditions.unwrap_or_default().into_iter().map(|condition| Condition {
            kind: condition.type_,
            status: condition.status == "True",
            reason: condition.reason.unwrap_or_default(),
            message: condition.message.unwrap_or_default(),
        });
        let mut autoscaler = Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            target: spec.scale_target_ref.name,
            min: spec.min_replicas.unwrap_or(1),
            max: spec.max_replicas,
            current: status.current_replicas.unwrap_or(0),
            desired: status.desired_replicas,
            metrics: metrics.filter_map(|metric| Metric::new(metric, &statuses)).collect(),
            conditions: conditions.collect(),
            last_scaled_at: status.last_scale_time.as_ref().map(milliseconds),
            explanation: Vec::new(),
        };
        autoscaler.explanation = explanation::explain(&autoscaler, spec.behavior.as_ref());
        autoscaler
    }
}

impl Autoscaler {
    pub(crate) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

impl Metric {
    fn new(spec: &MetricSpec, statuses: &[MetricStatus]) -> Option<Self> {
        let (name, target) = aim(spec)?;
        let current = statuses.iter().filter_map(reading).find(|(found, _)| *found == name).map(|(_, value)| value);
        let (aim, unit) = match target.average_utilization {
            Some(percent) => (f64::from(percent), MetricUnit::Percent),
            None => (number(target.average_value.as_ref().or(target.value.as_ref())?)?, MetricUnit::Value),
        };
        let current = current.and_then(|value| match unit {
            MetricUnit::Percent => value.average_utilization.map(f64::from),
            // For an Object metric with an average target, the status holds both; the target says which counts.
            MetricUnit::Value if target.average_value.is_some() => value.average_value.as_ref().and_then(number),
            MetricUnit::Value => value.value.as_ref().or(value.average_value.as_ref()).and_then(number),
        });
        Some(Self { name, current, target: aim, unit })
    }
}

/// What a metric is called and what it should be.
fn aim(spec: &MetricSpec) -> Option<(String, &MetricTarget)> {
    let resource = spec.resource.as_ref().map(|metric| (metric.name.clone(), &metric.target));
    let container = || {
        let metric = spec.container_resource.as_ref()?;
        Some((format!("{} of {}", metric.name, metric.container), &metric.target))
    };
    let pods = || spec.pods.as_ref().map(|metric| (metric.metric.name.clone(), &metric.target));
    let object = || spec.object.as_ref().map(|metric| (metric.metric.name.clone(), &metric.target));
    let external = || spec.external.as_ref().map(|metric| (metric.metric.name.clone(), &metric.target));
    resource.or_else(container).or_else(pods).or_else(object).or_else(external)
}

/// What a metric is called and what it is.
fn reading(status: &MetricStatus) -> Option<(String, &MetricValueStatus)> {
    let resource = status.resource.as_ref().map(|metric| (metric.name.clone(), &metric.current));
    let container = || {
        let metric = status.container_resource.as_ref()?;
        Some((format!("{} of {}", metric.name, metric.container), &metric.current))
    };
    let pods = || status.pods.as_ref().map(|metric| (metric.metric.name.clone(), &metric.current));
    let object = || status.object.as_ref().map(|metric| (metric.metric.name.clone(), &metric.current));
    let external = || status.external.as_ref().map(|metric| (metric.metric.name.clone(), &metric.current));
    resource.or_else(container).or_else(pods).or_else(object).or_else(external)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn autoscaler() -> Autoscaler {
        let object: HorizontalPodAutoscaler =
            serde_json::from_str(include_str!("../tests/fixtures/autoscaler-scaling-up.json")).unwrap();
        Autoscaler::from(&object)
    }

    #[test]
    fn an_autoscaler_is_shown_with_its_metric_against_its_target() {
        let shown = autoscaler();
        assert_eq!((shown.name.as_str(), shown.target.as_str()), ("backend", "backend"));
        assert_eq!((shown.min, shown.max, shown.current, shown.desired), (2, 4, 2, 4));
        let cpu = Metric { name: "cpu".to_owned(), current: Some(87.0), target: 50.0, unit: MetricUnit::Percent };
        assert_eq!(shown.metrics, [cpu]);
        assert_eq!(shown.last_scaled_at, Some(1_764_016_245_000));
        assert_eq!(shown.condition("ScalingActive").map(|condition| condition.status), Some(true));
    }

    #[test]
    fn a_metric_without_a_reading_is_unknown_rather_than_zero() {
        let mut object: HorizontalPodAutoscaler =
            serde_json::from_str(include_str!("../tests/fixtures/autoscaler-scaling-up.json")).unwrap();
        object.status.as_mut().unwrap().current_metrics = None;
        assert_eq!(Autoscaler::from(&object).metrics[0].current, None);
    }

    #[test]
    fn a_metric_of_the_pods_own_is_in_its_own_unit() {
        let object: HorizontalPodAutoscaler = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "backend"},
            "spec": {"maxReplicas": 4, "scaleTargetRef": {"kind": "Deployment", "name": "backend"}, "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "answers_in_flight"},
                                          "target": {"type": "AverageValue", "averageValue": "3"}}}]},
            "status": {"desiredReplicas": 2, "currentReplicas": 2, "currentMetrics": [
                {"type": "Pods", "pods": {"metric": {"name": "answers_in_flight"},
                                          "current": {"averageValue": "4500m"}}}]},
        }))
        .unwrap();
        let in_flight =
            Metric { name: "answers_in_flight".to_owned(), current: Some(4.5), target: 3.0, unit: MetricUnit::Value };
        assert_eq!(Autoscaler::from(&object).metrics, [in_flight]);
    }
}
