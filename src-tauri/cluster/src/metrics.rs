//! Numbers that have no watch: CPU and memory from metrics.k8s.io, and the backends' own series.

mod backends;
mod exposition;

pub(crate) use self::backends::in_flight;
pub use self::backends::{Backends, Rates};
pub(crate) use self::exposition::Totals;

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::Client;
use serde::Deserialize;

use crate::quantity::{millicores, number};

/// What a pod uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub cpu_millicores: f64,
    pub memory_bytes: f64,
}

/// What each pod of the namespace uses, by name. The caller decides what a cluster without metrics-server means.
pub async fn usage(client: &Client, namespace: &str) -> kube::Result<HashMap<String, Usage>> {
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    let list: PodMetricsList = client.request(request).await?;
    Ok(list.items.into_iter().map(|pod| (pod.metadata.name.clone(), pod.usage())).collect())
}

#[derive(Deserialize)]
struct PodMetricsList {
    items: Vec<PodMetrics>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    #[serde(default)]
    containers: Vec<ContainerMetrics>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct ContainerMetrics {
    usage: HashMap<String, Quantity>,
}

impl PodMetrics {
    fn usage(&self) -> Usage {
        let sum = |name: &str, convert: fn(&Quantity) -> Option<f64>| {
            self.containers.iter().filter_map(|container| container.usage.get(name).and_then(convert)).sum()
        };
        Usage { cpu_millicores: sum("cpu", millicores), memory_bytes: sum("memory", number) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_uses_what_its_containers_use() {
        let list: PodMetricsList = serde_json::from_value(json!({
            "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
            "items": [{"metadata": {"name": "backend-1"}, "timestamp": "2025-11-24T20:30:45Z", "window": "15.1s",
                "containers": [
                    {"name": "backend", "usage": {"cpu": "123456789n", "memory": "131072Ki"}},
                    {"name": "sidecar", "usage": {"cpu": "0", "memory": "1Mi"}}]}],
        }))
        .unwrap();
        let usage = list.items[0].usage();
        assert_eq!(usage, Usage { cpu_millicores: 124.0, memory_bytes: 135_266_304.0 });
    }
}
