//! The annotation by which a ReplicaSet chooses the pods that it takes away first:
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost>.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::telemetry::Metrics;

const ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

/// An autoscaler decides every 15 seconds, and each change is a write to the API server.
const EVERY: Duration = Duration::from_secs(5);

/// Let this pod cost as much as it writes answers, for ever.
pub async fn follow(pods: Api<Pod>, pod: String, metrics: Arc<Metrics>) {
    let mut told = None;
    let mut is_refused = false;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answers = metrics.answers_in_flight();
        if told == Some(answers) {
            continue;
        }
        let patch = json!({ "metadata": { "annotations": { ANNOTATION: answers.to_string() } } });
        match pods.patch(&pod, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => {
                told = Some(answers);
                is_refused = false;
            }
            // Once, because it is tried again and again.
            Err(error) if !is_refused => {
                is_refused = true;
                tracing::warn!(%error, pod, "the cost of taking this pod away cannot be told");
            }
            Err(_) => {}
        }
    }
}
