//! A pod as the panel shows it. Everything else of the object is dropped, which is what keeps 1,000 pods small.

mod readiness;

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1 as core, apimachinery::pkg::apis::meta::v1::Time};
use serde::Serialize;
use ts_rs::TS;

pub use self::readiness::why_not_ready;
use crate::quantity::millicores;

#[derive(Clone, Debug, PartialEq, Serialize, TS)]
#[ts(rename = "Pod")]
pub struct Pod {
    pub uid: String,
    pub name: String,
    pub namespace: String,
    /// The part of Flotilla that it belongs to: `backend`, `frontend`, `postgres`.
    pub app: String,
    pub phase: String,
    pub ready: bool,
    pub ready_containers: u32,
    pub containers: u32,
    pub restarts: u32,
    pub node: Option<String>,
    pub image: String,
    /// Milliseconds since 1970.
    #[ts(type = "number")]
    pub created_at: i64,
    pub deleting: bool,
    /// In words, why it is not ready.
    pub why: Option<String>,
    pub cpu_millicores: Option<f64>,
    pub memory_bytes: Option<f64>,
    /// What all its containers ask for together, which the autoscaler's percentages refer to.
    pub cpu_request_millicores: Option<f64>,
}

impl From<&core::Pod> for Pod {
    fn from(pod: &core::Pod) -> Self {
        let metadata = &pod.metadata;
        let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
        let status = pod.status.as_ref();
        let statuses = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
        let sidecars = status.and_then(|status| status.init_container_statuses.as_deref()).unwrap_or_default();
        let restarts = statuses.iter().chain(sidecars).map(|status| status.restart_count).sum::<i32>();
        Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            app: app(metadata.labels.as_ref()),
            phase: status.and_then(|status| status.phase.clone()).unwrap_or_else(|| "Unknown".to_owned()),
            ready: is_ready(pod),
            ready_containers: statuses.iter().filter(|status| status.ready).count() as u32,
            containers: containers.len() as u32,
            restarts: restarts.unsigned_abs(),
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            image: containers.first().and_then(|container| container.image.clone()).unwrap_or_default(),
            created_at: metadata.creation_timestamp.as_ref().map(milliseconds).unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            why: why_not_ready(pod),
            cpu_millicores: None,
            memory_bytes: None,
            cpu_request_millicores: cpu_request(containers),
        }
    }
}

/// Whether the pod may get traffic: its condition Ready, and not on its way out.
pub(crate) fn is_ready(pod: &core::Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The label by which the manifests name the part of Flotilla.
pub(crate) const APP_LABEL: &str = "app.kubernetes.io/name";

fn app(labels: Option<&BTreeMap<String, String>>) -> String {
    labels.and_then(|labels| labels.get(APP_LABEL)).cloned().unwrap_or_default()
}

fn cpu_request(containers: &[core::Container]) -> Option<f64> {
    let request =
        |container: &core::Container| container.resources.as_ref()?.requests.as_ref()?.get("cpu").and_then(millicores);
    // A container without a request leaves the percentage undefined, and the autoscaler without a metric.
    containers.iter().map(request).sum()
}

pub(crate) fn milliseconds(time: &Time) -> i64 {
    time.0.as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_pod_is_shown_with_what_the_panel_needs() {
        let pod: core::Pod = serde_json::from_str(include_str!("../tests/fixtures/pod-running.json")).unwrap();
        let shown = Pod::from(&pod);
        assert_eq!(shown.name, "backend-6c9f8d7b5-x2x9k");
        assert_eq!(shown.app, "backend");
        assert_eq!(shown.phase, "Running");
        assert!(shown.ready);
        assert_eq!((shown.ready_containers, shown.containers, shown.restarts), (1, 1, 2));
        assert_eq!(shown.node.as_deref(), Some("lab"));
        assert_eq!(shown.image, "flotilla-backend:0.1.0");
        assert_eq!(shown.created_at, 1_764_016_245_000);
        assert_eq!(shown.cpu_request_millicores, Some(250.0));
        assert_eq!(shown.why, None);
    }

    #[test]
    fn a_pod_on_its_way_out_gets_no_traffic_whatever_its_condition_says() {
        let mut pod: core::Pod = serde_json::from_str(include_str!("../tests/fixtures/pod-running.json")).unwrap();
        pod.metadata.deletion_timestamp = pod.metadata.creation_timestamp.clone();
        let shown = Pod::from(&pod);
        assert!(shown.deleting);
        assert!(!shown.ready);
    }

    #[test]
    fn one_container_without_a_request_leaves_the_pod_without_one() {
        let mut pod: core::Pod = serde_json::from_str(include_str!("../tests/fixtures/pod-running.json")).unwrap();
        let spec = pod.spec.as_mut().unwrap();
        spec.containers.push(core::Container { name: "sidecar".to_owned(), ..core::Container::default() });
        assert_eq!(Pod::from(&pod).cpu_request_millicores, None);
    }
}
