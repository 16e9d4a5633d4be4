//! Deployments and StatefulSets as the panel shows them.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, StatefulSet};
use serde::Serialize;
use ts_rs::TS;

/// How many pods a workload wants and has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Workload {
    pub kind: WorkloadKind,
    pub name: String,
    pub namespace: String,
    pub desired: i32,
    pub current: i32,
    pub updated: i32,
    pub ready: i32,
    pub available: i32,
    /// In words, why it has not all the pods that it wants.
    pub why: Option<String>,
    /// The HorizontalPodAutoscaler that owns `desired`.
    pub autoscaler: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, TS)]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
}

impl From<&Deployment> for Workload {
    fn from(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let mut workload = Self {
            kind: WorkloadKind::Deployment,
            name: deployment.metadata.name.clone().unwrap_or_default(),
            namespace: deployment.metadata.namespace.clone().unwrap_or_default(),
            desired: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            current: status.replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            why: None,
            autoscaler: None,
        };
        let unseen = deployment.metadata.generation > status.observed_generation;
        workload.why = refused(conditions).or_else(|| workload.progress(unseen)).map(|why| match stuck(conditions) {
            Some(stuck) => format!("{why} {stuck}"),
            None => why,
        });
        workload
    }
}

impl From<&StatefulSet> for Workload {
    fn from(set: &StatefulSet) -> Self {
        let status = set.status.clone().unwrap_or_default();
        let mut workload = Self {
            kind: WorkloadKind::StatefulSet,
            name: set.metadata.name.clone().unwrap_or_default(),
            namespace: set.metadata.namespace.clone().unwrap_or_default(),
            desired: set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            current: status.replicas,
            // A set that rolls nothing out reports no updated pods; all of them are at the one revision there is.
            updated: match status.current_revision == status.update_revision {
                true => status.replicas,
                false => status.updated_replicas.unwrap_or(0),
            },
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            why: None,
            autoscaler: None,
        };
        workload.why = workload.progress(set.metadata.generation > status.observed_generation);
        workload
    }
}

impl Workload {
    fn progress(&self, unseen: bool) -> Option<String> {
        let Self { desired, current, updated, ready, .. } = *self;
        if unseen {
            return Some("Its controller has not seen the last change yet.".to_owned());
        }
        if updated < desired {
            return Some(format!("{updated} of {desired} pods have the new version."));
        }
        if current > desired {
            return Some(format!("{} more than wanted are shutting down.", pods(current - desired)));
        }
        if ready < desired {
            return Some(format!("{ready} of {desired} pods are ready."));
        }
        None
    }
}

/// The API server refuses to make its pods, for a quota or for Pod Security.
fn refused(conditions: &[DeploymentCondition]) -> Option<String> {
    let failure = conditions.iter().find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True");
    failure
        .map(|failure| format!("Pods cannot be created: {}", failure.message.as_deref().unwrap_or("no reason given")))
}

fn stuck(conditions: &[DeploymentCondition]) -> Option<&'static str> {
    let deadline = |condition: &&DeploymentCondition| condition.reason.as_deref() == Some("ProgressDeadlineExceeded");
    conditions.iter().find(deadline).map(|_| "The rollout made no progress within its deadline.")
}

pub(crate) fn pods(count: i32) -> String {
    if count == 1 { "1 pod".to_owned() } else { format!("{count} pods") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(status: Value) -> Workload {
        let object = json!({
            "metadata": {"name": "backend", "namespace": "flotilla", "generation": 3},
            "spec": {"replicas": 3, "selector": {}, "template": {}},
            "status": status,
        });
        Workload::from(&serde_json::from_value::<Deployment>(object).unwrap())
    }

    #[test]
    fn a_deployment_with_all_its_pods_needs_no_reason() {
        let status = json!({"observedGeneration": 3, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3,
                            "availableReplicas": 3});
        let workload = deployment(status);
        assert_eq!((workload.desired, workload.current, workload.ready, workload.available), (3, 3, 3, 3));
        assert_eq!(workload.why, None);
    }

    #[test]
    fn a_rollout_counts_the_pods_with_the_new_version() {
        let status = json!({"observedGeneration": 3, "replicas": 4, "updatedReplicas": 1, "readyReplicas": 3});
        assert_eq!(deployment(status).why.unwrap(), "1 of 3 pods have the new version.");
    }

    #[test]
    fn a_rollout_that_passed_its_deadline_says_so() {
        let conditions = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
        let status = json!({"observedGeneration": 3, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 2,
                            "conditions": conditions});
        let why = deployment(status).why.unwrap();
        assert_eq!(why, "2 of 3 pods are ready. The rollout made no progress within its deadline.");
    }

    #[test]
    fn pods_that_pod_security_refuses_are_the_first_reason() {
        let conditions = json!([{"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity"}]);
        let status = json!({"observedGeneration": 3, "replicas": 0, "conditions": conditions});
        assert_eq!(deployment(status).why.unwrap(), "Pods cannot be created: violates PodSecurity");
    }

    #[test]
    fn a_change_that_the_controller_has_not_seen_is_told_from_a_rollout() {
        let status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3});
        assert_eq!(deployment(status).why.unwrap(), "Its controller has not seen the last change yet.");
    }

    #[test]
    fn a_stateful_set_at_rest_has_all_pods_at_its_revision() {
        let object = json!({
            "metadata": {"name": "postgres", "namespace": "flotilla", "generation": 1},
            "spec": {"replicas": 1, "selector": {}, "template": {}, "serviceName": "postgres"},
            "status": {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1,
                       "currentRevision": "postgres-1", "updateRevision": "postgres-1"},
        });
        let workload = Workload::from(&serde_json::from_value::<StatefulSet>(object).unwrap());
        assert_eq!((workload.updated, workload.why), (1, None));
    }
}
