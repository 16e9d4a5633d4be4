//! The arithmetic of the autoscaler.
//!
//! Source: "Horizontal Pod Autoscaling", section "Algorithm details", of the Kubernetes documentation
//! (<https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details>).

use k8s_openapi::api::autoscaling::v2::HPAScalingRules;

/// How far value / target may be from 1 before anything happens: the controller's
/// `--horizontal-pod-autoscaler-tolerance`, which managed clusters leave at this.
pub const TOLERANCE: f64 = 0.1;

/// How many replicas one metric asks for, before limits, windows and policies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// The metric's value over its target.
    pub ratio: f64,
    pub replicas: i32,
    /// The ratio is close enough to 1, so that the replicas stay as they are.
    pub within_tolerance: bool,
}

/// `ceil(current × value / target)`, or `current` when the ratio is within the tolerance.
///
/// `None` for a target that is no aim: zero, negative, or not a number. The controller takes only pods with a reading
/// into account and judges missing ones carefully (0 % when scaling up, 100 % when scaling down), which the object's
/// status does not show; while pods are starting, its own number may therefore be closer to the current one.
pub fn propose(current: i32, value: f64, target: f64, tolerance: Tolerance) -> Option<Proposal> {
    let ratio = value / target;
    if !(target > 0.0 && ratio.is_finite() && ratio >= 0.0) {
        return None;
    }
    let within_tolerance = (1.0 - tolerance.down..=1.0 + tolerance.up).contains(&ratio);
    let replicas = if within_tolerance { current } else { ceiling(f64::from(current) * ratio) };
    Some(Proposal { ratio, replicas, within_tolerance })
}

/// Rounded up, as the controller does it. The cast saturates, so an absurd reading ends at the largest number.
fn ceiling(replicas: f64) -> i32 {
    replicas.ceil() as i32
}

/// How far the ratio may be above and below 1. Set per direction in `spec.behavior` since Kubernetes 1.33.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    pub up: f64,
    pub down: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { up: TOLERANCE, down: TOLERANCE }
    }
}

/// At most this many replicas after one step up from `current`, by the rules' policies, if nothing else was scaled
/// within their periods. `None`: scaling up is disabled.
pub fn highest_step(current: i32, rules: Option<&HPAScalingRules>) -> Option<i32> {
    let policies = rules.and_then(|rules| rules.policies.as_deref()).unwrap_or_default();
    let ends = policies.iter().map(|policy| match policy.type_.as_str() {
        "Percent" => ceiling(f64::from(current) * (1.0 + f64::from(policy.value) / 100.0)),
        _ => current.saturating_add(policy.value),
    });
    match select(rules) {
        Select::Disabled => None,
        // The API's defaults: 4 pods or 100 % per 15 s, whichever is more.
        _ if policies.is_empty() => Some(current.saturating_add(4).max(current.saturating_mul(2))),
        Select::Most => ends.max(),
        Select::Least => ends.min(),
    }
}

/// At least this many replicas after one step down from `current`; the counterpart of [`highest_step`].
pub fn lowest_step(current: i32, rules: Option<&HPAScalingRules>) -> Option<i32> {
    let policies = rules.and_then(|rules| rules.policies.as_deref()).unwrap_or_default();
    let ends = policies.iter().map(|policy| match policy.type_.as_str() {
        // The controller cuts the fraction off here, other than upwards.
        "Percent" => (f64::from(current) * (1.0 - f64::from(policy.value) / 100.0)) as i32,
        _ => current.saturating_sub(policy.value),
    });
    let lowest = match select(rules) {
        Select::Disabled => return None,
        // The API's default: 100 % per 15 s.
        _ if policies.is_empty() => Some(0),
        Select::Most => ends.min(),
        Select::Least => ends.max(),
    };
    lowest.map(|lowest| lowest.max(0))
}

#[derive(Clone, Copy)]
enum Select {
    Most,
    Least,
    Disabled,
}

fn select(rules: Option<&HPAScalingRules>) -> Select {
    match rules.and_then(|rules| rules.select_policy.as_deref()) {
        Some("Disabled") => Select::Disabled,
        Some("Min") => Select::Least,
        _ => Select::Most,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::autoscaling::v2::HPAScalingPolicy;
    use proptest::prelude::*;

    use super::*;

    fn replicas(current: i32, value: f64, target: f64) -> i32 {
        propose(current, value, target, Tolerance::default()).unwrap().replicas
    }

    fn rules(select: &str, policies: &[(&str, i32)]) -> HPAScalingRules {
        let policy = |(kind, value): &(&str, i32)| HPAScalingPolicy {
            type_: (*kind).to_owned(),
            value: *value,
            period_seconds: 60,
        };
        HPAScalingRules {
            select_policy: Some(select.to_owned()),
            policies: Some(policies.iter().map(policy).collect()),
            ..HPAScalingRules::default()
        }
    }

    #[test]
    fn the_documentations_own_examples_come_out() {
        // "if the current metric value is 200m, and the desired value is 100m, the number of replicas will be doubled"
        assert_eq!(replicas(1, 200.0, 100.0), 2);
        // "if the current value is instead 50m, you will halve the number of replicas"
        assert_eq!(replicas(2, 50.0, 100.0), 1);
    }

    #[test]
    fn two_replicas_at_87_percent_of_50_become_four() {
        assert_eq!(replicas(2, 87.0, 50.0), 4);
    }

    #[test]
    fn the_default_policies_double_or_add_four() {
        assert_eq!(highest_step(2, None), Some(6));
        assert_eq!(highest_step(10, None), Some(20));
        assert_eq!(lowest_step(10, None), Some(0));
    }

    #[test]
    fn the_documentations_example_of_two_policies_takes_the_one_that_changes_more() {
        // "80 replicas: the first reduction will be 8" by 10 %; at 40, "4 pods" and 10 % meet; below, 4 pods win.
        let rules = rules("Max", &[("Pods", 4), ("Percent", 10)]);
        assert_eq!(lowest_step(80, Some(&rules)), Some(72));
        assert_eq!(lowest_step(10, Some(&rules)), Some(6));
    }

    #[test]
    fn a_disabled_direction_has_no_step() {
        let rules = rules("Disabled", &[("Pods", 4)]);
        assert_eq!(highest_step(2, Some(&rules)), None);
        assert_eq!(lowest_step(2, Some(&rules)), None);
    }

    #[test]
    fn a_target_of_zero_proposes_nothing() {
        for (value, target) in [(1.0, 0.0), (1.0, -1.0), (f64::NAN, 1.0), (1.0, f64::NAN), (-1.0, 1.0)] {
            assert_eq!(propose(2, value, target, Tolerance::default()), None);
        }
    }

    proptest! {
        #[test]
        fn within_the_tolerance_nothing_changes(current in 0..1000, target in 1..1000, off in -0.0999..0.0999f64) {
            let value = f64::from(target) * (1.0 + off);
            prop_assert_eq!(replicas(current, value, f64::from(target)), current);
        }

        #[test]
        fn beyond_the_tolerance_it_is_the_smallest_number_that_meets_the_target(
            current in 1..1000, value in 0..100_000, target in 1..1000,
        ) {
            let proposal =
                propose(current, f64::from(value), f64::from(target), Tolerance::default()).unwrap();
            prop_assume!(!proposal.within_tolerance);
            // Whole numbers in i64 know no rounding: replicas × target ≥ current × value, and one less is not more than that.
            // Kubernetes divides in floats, which may make one pod more of a load that fits exactly.
            let load = i64::from(current) * i64::from(value);
            let room = |replicas: i64| replicas * i64::from(target);
            prop_assert!(room(i64::from(proposal.replicas)) >= load);
            prop_assert!(room(i64::from(proposal.replicas) - 1) <= load || proposal.replicas == 0);
        }

        #[test]
        fn more_load_never_asks_for_fewer_replicas(current in 1..1000, low in 0..10_000, more in 0..10_000, target in 1..1000) {
            let (low, high, target) = (f64::from(low), f64::from(low + more), f64::from(target));
            prop_assert!(replicas(current, low, target) <= replicas(current, high, target));
        }

        #[test]
        fn load_that_stays_the_same_settles_after_one_step(current in 1..100, value in 1..1000, target in 1..100) {
            let load = f64::from(current * value);
            let next = replicas(current, f64::from(value), f64::from(target));
            prop_assume!(next > 0);
            let again = replicas(next, load / f64::from(next), f64::from(target));
            // Rounding up leaves the pods below the target, and rounding twice never asks for more.
            prop_assert!(again <= next);
        }

        #[test]
        fn any_reading_gives_a_count(current in 0..i32::MAX, value: f64, target: f64) {
            if let Some(proposal) = propose(current, value, target, Tolerance::default()) {
                prop_assert!(proposal.replicas >= 0);
            }
        }

        #[test]
        fn a_step_never_goes_the_wrong_way(current in 0..10_000, pods in 0..100, percent in 0..200, least: bool) {
            let rules = rules(if least { "Min" } else { "Max" }, &[("Pods", pods), ("Percent", percent)]);
            prop_assert!(highest_step(current, Some(&rules)).unwrap() >= current);
            prop_assert!((0..=current).contains(&lowest_step(current, Some(&rules)).unwrap()));
        }
    }
}
