//! "Why this many replicas": what the autoscaler computes and what holds it, as sentences.
//!
//! Source: "Horizontal Pod Autoscaling", sections "Algorithm details", "Configurable scaling behavior" and "Appendix:
//! Horizontal Pod Autoscaler Status Conditions", of the Kubernetes documentation
//! (<https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/>).

use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};

use super::{
    Autoscaler, Metric, MetricUnit,
    proposal::{Proposal, Tolerance, highest_step, lowest_step, propose},
};
use crate::quantity::number;

/// What the controller waits before it goes down, where `spec.behavior` does not say.
const DEFAULT_DOWN_WINDOW: i32 = 300;

pub(super) fn explain(autoscaler: &Autoscaler, behavior: Option<&HorizontalPodAutoscalerBehavior>) -> Vec<String> {
    let up = behavior.and_then(|behavior| behavior.scale_up.as_ref());
    let down = behavior.and_then(|behavior| behavior.scale_down.as_ref());
    // It writes both at its first look.
    if autoscaler.conditions.is_empty() && autoscaler.desired == 0 {
        return Vec::new();
    }
    if let Some(sentence) = inactive(autoscaler) {
        return vec![sentence];
    }
    let tolerance = Tolerance { up: tolerance(up), down: tolerance(down) };
    let mut sentences = Vec::new();
    let mut proposals: Vec<(&Metric, Proposal)> = Vec::new();
    for metric in &autoscaler.metrics {
        let proposal = metric.current.and_then(|value| propose(autoscaler.current, value, metric.target, tolerance));
        sentences.push(reading(metric));
        if let Some(proposal) = proposal {
            sentences.push(arithmetic(autoscaler.current, metric, proposal, tolerance));
            proposals.push((metric, proposal));
        }
    }
    let Some((metric, proposal)) = proposals.iter().max_by_key(|(_, proposal)| proposal.replicas) else {
        sentences.push(format!("Without a reading it keeps {}.", replicas(autoscaler.desired)));
        return sentences;
    };
    if autoscaler.metrics.len() > 1 {
        sentences.push(format!(
            "Of several metrics the largest proposal counts: {} from {}.",
            proposal.replicas,
            title(metric)
        ));
    }
    if proposals.len() < autoscaler.metrics.len() && proposal.replicas < autoscaler.current {
        // The documentation: a missing metric forbids scaling down, and does not forbid scaling up.
        sentences.push("As long as a metric has no reading, it does not go down.".to_owned());
    }
    let wanted = proposal.replicas;
    let limited = wanted.clamp(autoscaler.min, autoscaler.max.max(autoscaler.min));
    sentences.extend(limits(autoscaler, wanted, limited));
    sentences.extend(holds(autoscaler, limited, up, down));
    sentences.push(outcome(autoscaler));
    sentences
}

/// Why it computes nothing at all.
fn inactive(autoscaler: &Autoscaler) -> Option<String> {
    let target = &autoscaler.target;
    if let Some(able) = autoscaler.condition("AbleToScale").filter(|able| !able.status) {
        return Some(match able.reason.as_str() {
            "FailedGetScale" => format!("It cannot read the scale of {target}: {}", able.message),
            "FailedUpdateScale" => format!("It cannot change the scale of {target}: {}", able.message),
            "BackoffDownscale" | "BackoffUpscale" => format!("It has just scaled and waits: {}", able.message),
            _ => format!("It cannot scale {target} ({}): {}", able.reason, able.message),
        });
    }
    let active = autoscaler.condition("ScalingActive").filter(|active| !active.status)?;
    Some(match active.reason.as_str() {
        "ScalingDisabled" => {
            format!("{target} is scaled to 0 by hand, which switches the autoscaler off until it is scaled up again.")
        }
        "FailedGetResourceMetric" | "FailedGetContainerResourceMetric" => format!(
            "It cannot read its metric, so it keeps {}. Just after a start this takes up to a minute; otherwise check \
             that metrics-server runs and that every container requests CPU. {}",
            replicas(autoscaler.current),
            active.message
        ),
        _ => format!(
            "It cannot compute ({}), so it keeps {}. {}",
            active.reason,
            replicas(autoscaler.current),
            active.message
        ),
    })
}

fn reading(metric: &Metric) -> String {
    let name = title(metric);
    let (target, unit) = (figure(metric.target), metric.unit);
    match (metric.current, unit) {
        (Some(current), MetricUnit::Percent) => {
            format!(
                "{name} is at {} % of what the pods request, on average; the target is {target} %.",
                figure(current)
            )
        }
        (Some(current), MetricUnit::Value) => format!("{name} is at {}; the target is {target}.", figure(current)),
        (None, MetricUnit::Percent) => {
            format!("{name} has no reading yet; the target is {target} % of what the pods request.")
        }
        (None, MetricUnit::Value) => format!("{name} has no reading yet; the target is {target}."),
    }
}

fn arithmetic(current: i32, metric: &Metric, proposal: Proposal, tolerance: Tolerance) -> String {
    let value = figure(metric.current.unwrap_or_default());
    let target = figure(metric.target);
    if proposal.within_tolerance {
        let allowed = if proposal.ratio > 1.0 { tolerance.up } else { tolerance.down };
        return format!(
            "{value} / {target} = {:.2} is within the tolerance of {} % around 1, so it asks for no change.",
            proposal.ratio,
            figure(allowed * 100.0)
        );
    }
    let exact = f64::from(current) * proposal.ratio;
    format!("{} × {value} / {target} = {exact:.2}, rounded up: {}.", replicas(current), proposal.replicas)
}

fn limits(autoscaler: &Autoscaler, wanted: i32, limited: i32) -> Option<String> {
    let Autoscaler { min, max, .. } = *autoscaler;
    if wanted > limited {
        Some(format!("At most {max} are allowed, so {wanted} become {limited}."))
    } else if wanted < limited {
        Some(format!("At least {min} are kept, so {wanted} become {limited}."))
    } else {
        None
    }
}

/// What lies between the limited proposal and the number that the autoscaler settled on.
fn holds(
    autoscaler: &Autoscaler,
    limited: i32,
    up: Option<&HPAScalingRules>,
    down: Option<&HPAScalingRules>,
) -> Option<String> {
    let Autoscaler { current, desired, .. } = *autoscaler;
    let stabilized = autoscaler.condition("AbleToScale").map(|able| able.reason.as_str());
    if limited < current {
        let Some(lowest) = lowest_step(current, down) else {
            return Some("Its behavior forbids scaling down.".to_owned());
        };
        let window = window(down).unwrap_or(DEFAULT_DOWN_WINDOW);
        if stabilized == Some("ScaleDownStabilized") || (desired > limited && desired >= current && window > 0) {
            return Some(format!(
                "Within the last {window} s it wanted more, and it takes the highest wish of that window before it \
                 goes down: {desired} for now."
            ));
        }
        return (lowest > limited)
            .then(|| format!("One step down takes it to {} at most, {}.", lowest, policies(down, "100 % in 15 s")));
    }
    if limited > current {
        let Some(highest) = highest_step(current, up) else {
            return Some("Its behavior forbids scaling up.".to_owned());
        };
        let window = window(up).unwrap_or(0);
        if stabilized == Some("ScaleUpStabilized") || (desired <= current && window > 0) {
            return Some(format!(
                "Within the last {window} s it wanted fewer, and it takes the lowest wish of that window before it \
                 goes up: {desired} for now."
            ));
        }
        return (highest < limited).then(|| {
            format!("One step up takes it to {highest} at most, {}.", policies(up, "100 % or 4 pods in 15 s"))
        });
    }
    None
}

fn outcome(autoscaler: &Autoscaler) -> String {
    let Autoscaler { current, desired, .. } = *autoscaler;
    if current == desired {
        format!("So it keeps {}.", replicas(desired))
    } else {
        format!("So it goes from {current} to {}.", replicas(desired))
    }
}

fn policies(rules: Option<&HPAScalingRules>, default: &str) -> String {
    let policies = rules.and_then(|rules| rules.policies.as_deref()).unwrap_or_default();
    if policies.is_empty() {
        return format!("by the default policy of {default}");
    }
    let all: Vec<_> = policies
        .iter()
        .map(|policy| match policy.type_.as_str() {
            "Percent" => format!("{} % in {} s", policy.value, policy.period_seconds),
            _ => format!("{} in {} s", crate::workloads::pods(policy.value), policy.period_seconds),
        })
        .collect();
    format!("by its {} of {}", if all.len() == 1 { "policy" } else { "policies" }, all.join(" or "))
}

fn window(rules: Option<&HPAScalingRules>) -> Option<i32> {
    rules.and_then(|rules| rules.stabilization_window_seconds)
}

fn tolerance(rules: Option<&HPAScalingRules>) -> f64 {
    rules.and_then(|rules| rules.tolerance.as_ref()).and_then(number).unwrap_or(super::TOLERANCE)
}

fn title(metric: &Metric) -> String {
    match metric.name.split_once(' ') {
        None if metric.name == "cpu" => "CPU".to_owned(),
        Some(("cpu", rest)) => format!("CPU {rest}"),
        _ => metric.name.clone(),
    }
}

fn replicas(count: i32) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

/// A number without a tail of zeros.
fn figure(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// The seed's autoscaler, 2 to 4 replicas at 50 % CPU, in a state of choice.
    fn object(current: i32, desired: i32, cpu: Option<i32>) -> Value {
        let metrics = cpu.map(
            |cpu| json!([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": cpu}}}]),
        );
        json!({
            "metadata": {"name": "backend"},
            "spec": {
                "minReplicas": 2, "maxReplicas": 4,
                "scaleTargetRef": {"kind": "Deployment", "name": "backend"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50}}}],
            },
            "status": {"currentReplicas": current, "desiredReplicas": desired, "currentMetrics": metrics},
        })
    }

    fn explained(object: Value) -> Vec<String> {
        Autoscaler::from(&serde_json::from_value::<HorizontalPodAutoscaler>(object).unwrap()).explanation
    }

    #[test]
    fn scaling_up_is_one_line_of_arithmetic() {
        assert_eq!(
            explained(object(2, 4, Some(87))),
            [
                "CPU is at 87 % of what the pods request, on average; the target is 50 %.",
                "2 replicas × 87 / 50 = 3.48, rounded up: 4.",
                "So it goes from 2 to 4 replicas.",
            ]
        );
    }

    #[test]
    fn the_maximum_is_named_when_it_holds() {
        let sentences = explained(object(4, 4, Some(160)));
        assert_eq!(sentences[1], "4 replicas × 160 / 50 = 12.80, rounded up: 13.");
        assert_eq!(sentences[2], "At most 4 are allowed, so 13 become 4.");
        assert_eq!(sentences[3], "So it keeps 4 replicas.");
    }

    #[test]
    fn the_minimum_is_named_when_it_holds() {
        let sentences = explained(object(2, 2, Some(1)));
        assert_eq!(sentences[2], "At least 2 are kept, so 1 become 2.");
    }

    #[test]
    fn a_ratio_within_the_tolerance_asks_for_no_change() {
        let sentences = explained(object(3, 3, Some(54)));
        assert_eq!(sentences[1], "54 / 50 = 1.08 is within the tolerance of 10 % around 1, so it asks for no change.");
    }

    #[test]
    fn a_tolerance_of_its_own_counts() {
        let mut object = object(3, 4, Some(54));
        object["spec"]["behavior"] = json!({"scaleUp": {"tolerance": "50m"}});
        assert_eq!(explained(object)[1], "3 replicas × 54 / 50 = 3.24, rounded up: 4.");
    }

    #[test]
    fn the_stabilisation_window_says_why_it_does_not_go_down_yet() {
        let mut object = object(4, 4, Some(3));
        object["status"]["conditions"] = json!([{"type": "AbleToScale", "status": "True",
            "reason": "ScaleDownStabilized", "message": "recent recommendations were higher than current one"}]);
        let sentences = explained(object);
        assert_eq!(
            sentences[3],
            "Within the last 300 s it wanted more, and it takes the highest wish of that window before it goes down: \
             4 for now."
        );
    }

    #[test]
    fn a_policy_that_slows_the_way_up_is_named() {
        let mut object = object(2, 3, Some(100));
        let policies = json!([{"type": "Pods", "value": 1, "periodSeconds": 60}]);
        object["spec"]["behavior"] = json!({"scaleUp": {"policies": policies}});
        assert_eq!(explained(object)[2], "One step up takes it to 3 at most, by its policy of 1 pod in 60 s.");
    }

    #[test]
    fn a_missing_reading_is_not_taken_for_zero() {
        let sentences = explained(object(2, 2, None));
        assert_eq!(
            sentences,
            [
                "CPU has no reading yet; the target is 50 % of what the pods request.",
                "Without a reading it keeps 2 replicas.",
            ]
        );
    }

    #[test]
    fn before_its_first_look_there_is_nothing_to_explain() {
        assert!(explained(object(0, 0, None)).is_empty());
    }

    #[test]
    fn an_autoscaler_that_cannot_compute_says_what_to_check() {
        let mut object = object(2, 2, None);
        object["status"]["conditions"] = json!([{"type": "ScalingActive", "status": "False",
            "reason": "FailedGetResourceMetric", "message": "no metrics returned from resource metrics API"}]);
        let sentences = explained(object);
        assert_eq!(sentences.len(), 1);
        assert!(sentences[0].contains("check that metrics-server runs"), "{sentences:?}");
    }

    #[test]
    fn a_deployment_that_was_scaled_to_zero_switches_it_off() {
        let mut object = object(0, 0, None);
        object["status"]["conditions"] =
            json!([{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled", "message": ""}]);
        assert!(explained(object)[0].starts_with("backend is scaled to 0 by hand"));
    }

    #[test]
    fn of_two_metrics_the_one_that_asks_for_more_counts() {
        let mut object = object(2, 4, Some(30));
        let metric = json!({"type": "Pods", "pods": {"metric": {"name": "in_flight"},
            "target": {"type": "AverageValue", "averageValue": "2"}}});
        object["spec"]["metrics"].as_array_mut().unwrap().push(metric);
        let status = json!({"type": "Pods", "pods": {"metric": {"name": "in_flight"},
            "current": {"averageValue": "4"}}});
        object["status"]["currentMetrics"].as_array_mut().unwrap().push(status);
        let sentences = explained(object);
        assert!(sentences.contains(&"Of several metrics the largest proposal counts: 4 from in_flight.".to_owned()));
    }

    proptest! {
        #[test]
        fn any_state_is_explained_and_the_last_sentence_agrees_with_it(
            current in 0..10i32, desired in 1..10i32, cpu in 0..1000i32,
        ) {
            let sentences = explained(object(current, desired, Some(cpu)));
            let last = sentences.last().unwrap();
            prop_assert!(last.contains(&replicas(desired)), "{:?}", sentences);
        }
    }
}
