//! The API group `external.metrics.k8s.io/v1beta1`, as the API server asks for it on behalf of an autoscaler:
//! <https://github.com/kubernetes/metrics/blob/master/pkg/apis/external_metrics/v1beta1/types.go>.
//!
//! Every gauge of `/metrics` is an external metric under the same name.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, SecondsFormat, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIResource, APIResourceList, Status};
use kube::core::SelectorExt;
use serde::{Deserialize, Serialize};

use super::{exposition::Labels, selector, servers::Servers};

const GROUP_VERSION: &str = "external.metrics.k8s.io/v1beta1";

/// `namespace` is the one whose servers are summed.
pub fn router(servers: Servers, namespace: String) -> Router {
    Router::new()
        .route("/apis/external.metrics.k8s.io/v1beta1", get(resources))
        .route("/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}", get(values))
        .fallback(async || not_found("there is no such path"))
        .with_state(Known { servers, namespace })
}

#[derive(Clone)]
struct Known {
    servers: Servers,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    #[serde(default)]
    label_selector: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalMetricValueList {
    kind: &'static str,
    api_version: &'static str,
    metadata: serde_json::Map<String, serde_json::Value>,
    items: Vec<ExternalMetricValue>,
}

/// The value at one combination of labels; an autoscaler adds them up.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalMetricValue {
    metric_name: String,
    metric_labels: Labels,
    /// RFC 3339, in whole seconds.
    timestamp: String,
    /// A Kubernetes quantity.
    value: String,
}

async fn resources(State(known): State<Known>) -> Json<APIResourceList> {
    let resource = |name| APIResource {
        name,
        kind: "ExternalMetricValueList".to_owned(),
        namespaced: true,
        verbs: vec!["get".to_owned()],
        ..APIResource::default()
    };
    let resources = known.servers.own().into_keys().map(resource).collect();
    Json(APIResourceList { group_version: GROUP_VERSION.to_owned(), resources })
}

async fn values(
    State(known): State<Known>,
    Path((namespace, metric)): Path<(String, String)>,
    Query(ListQuery { label_selector }): Query<ListQuery>,
) -> Response {
    let Some(selector) = selector::parse(&label_selector) else {
        return status(StatusCode::BAD_REQUEST, "BadRequest", "labelSelector is not a label selector");
    };
    if namespace != known.namespace || !known.servers.own().contains_key(&metric) {
        return not_found(&format!("there is no metric {metric} in the namespace {namespace}"));
    }
    let mut sums = match known.servers.summed().await {
        Ok(sums) => sums,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "an autoscaler gets no number");
            let message = "not every server tells its numbers; the log says why";
            return status(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message);
        }
    };
    let now = Utc::now();
    let series = sums.remove(&metric).unwrap_or_default().into_iter();
    let items = series.filter(|(labels, _)| selector.matches(labels));
    let items = items.map(|(labels, value)| item(metric.clone(), labels, value, now)).collect();
    Json(ExternalMetricValueList {
        kind: "ExternalMetricValueList",
        api_version: GROUP_VERSION,
        metadata: serde_json::Map::new(),
        items,
    })
    .into_response()
}

fn item(metric_name: String, metric_labels: Labels, value: f64, now: DateTime<Utc>) -> ExternalMetricValue {
    ExternalMetricValue {
        metric_name,
        metric_labels,
        timestamp: now.to_rfc3339_opts(SecondsFormat::Secs, true),
        value: quantity(value),
    }
}

/// In thousandths, where it is not a whole number.
fn quantity(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{:.0}m", value * 1000.0) }
}

fn not_found(message: &str) -> Response {
    status(StatusCode::NOT_FOUND, "NotFound", message)
}

fn status(code: StatusCode, reason: &str, message: &str) -> Response {
    let status = Status {
        status: Some("Failure".to_owned()),
        code: Some(i32::from(code.as_u16())),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        ..Status::default()
    };
    (code, Json(status)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quantities() {
        assert_eq!([0.0, 3.0, 2.5, -1.0].map(quantity), ["0", "3", "2500m", "-1"]);
    }
}
