//! What `overlays/queue-autoscaler`, which is applied by hand, adds to the kinds of the overlays in this program.

use k8s_openapi::api::authorization::v1::ResourceAttributes;
use kube::{
    Api,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::Value;

use super::{in_namespace, list};
use crate::{
    Cluster, ErrorKind, Result,
    connection::at_once,
    manifests::{gvk, kind, name},
    rights,
};

/// In the order to remove them. An APIService without its pods keeps every namespace of the cluster from being deleted,
/// and a right goes before the policy that narrows it.
const KINDS: [(&str, &str); 5] = [
    ("apiregistration.k8s.io", "APIService"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
];

#[derive(Default)]
pub(super) struct Beyond {
    pub remove: Vec<DynamicObject>,
    /// The user may not delete these.
    pub keep: Vec<DynamicObject>,
}

/// What of it is there for the Flotilla in this namespace.
pub(super) async fn find(cluster: &Cluster) -> Result<Beyond> {
    let kinds = KINDS.map(|(group, kind)| GroupVersionKind::gvk(group, "v1", kind));
    let found = at_once(kinds.map(|kind| wherever(cluster, kind))).await?;
    let found = those_of(&cluster.namespace, found.concat());
    let allowed = at_once(found.iter().map(|object| may_delete(cluster, object))).await?;
    let mut beyond = Beyond::default();
    for (object, allowed) in found.into_iter().zip(allowed) {
        match allowed {
            true => beyond.remove.push(object),
            false => beyond.keep.push(object),
        }
    }
    Ok(beyond)
}

/// In all namespaces, else in Flotilla's own, as far as the user may look. An old cluster lacks some kinds.
async fn wherever(cluster: &Cluster, kind: GroupVersionKind) -> Result<Vec<DynamicObject>> {
    let resource = ApiResource::from_gvk(&kind);
    let found = match list(Api::all_with(cluster.client.clone(), &resource), &resource).await {
        Err(error) if error.kind == ErrorKind::Forbidden => in_namespace(cluster, kind).await,
        found => found,
    };
    match found {
        Err(error) if matches!(error.kind, ErrorKind::Forbidden | ErrorKind::NotFound) => Ok(Vec::new()),
        found => found,
    }
}

/// Another namespace may have a Flotilla too. What names this one belongs to it, and so does what binds such a policy.
fn those_of(namespace: &str, mut objects: Vec<DynamicObject>) -> Vec<DynamicObject> {
    let names = [format!("\"{namespace}\""), format!("system:serviceaccount:{namespace}:")];
    let named = |object: &DynamicObject| {
        let text = object.data.to_string();
        object.metadata.namespace.as_deref() == Some(namespace) || names.iter().any(|name| text.contains(name))
    };
    let policies: Vec<_> = objects
        .iter()
        .filter(|object| kind(object) == "ValidatingAdmissionPolicy" && named(object))
        .map(|policy| name(policy).to_owned())
        .collect();
    objects.retain(|object| {
        let policy = object.data.pointer("/spec/policyName").and_then(Value::as_str).unwrap_or_default();
        named(object) || policies.iter().any(|known| known == policy)
    });
    objects
}

async fn may_delete(cluster: &Cluster, object: &DynamicObject) -> Result<bool> {
    let Some(kind) = gvk(object) else { return Ok(false) };
    let attributes = ResourceAttributes {
        resource: Some(ApiResource::from_gvk(&kind).plural),
        group: Some(kind.group),
        version: Some(kind.version),
        verb: Some("delete".to_owned()),
        namespace: object.metadata.namespace.clone(),
        name: object.metadata.name.clone(),
        ..ResourceAttributes::default()
    };
    rights::allowed(cluster, attributes).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{fake_api, teardown::preview};

    fn named(name: &str, mut object: Value) -> Value {
        object["metadata"]["name"] = name.into();
        object
    }

    /// What an API server has of each kind; the user may not look at Roles, nor delete policies.
    fn answer(request: &str) -> Option<(u16, Value)> {
        let path = request.split(['?', ' ']).nth(1).unwrap_or_default();
        let service = |namespace: &str| json!({"spec": {"service": {"namespace": namespace}}});
        let binding = |namespace: &str| {
            json!({"metadata": {"namespace": "kube-system"},
                   "subjects": [{"kind": "ServiceAccount", "name": "backend", "namespace": namespace}]})
        };
        let by = "request.userInfo.username == 'system:serviceaccount:flotilla:backend'";
        let policy = json!({"spec": {"matchConditions": [{"name": "is-a-backend", "expression": by}]}});
        let bound = |policy: &str| json!({"spec": {"policyName": policy}});
        let items = match path {
            "/apis/apiregistration.k8s.io/v1/apiservices" => {
                json!([named("ours", service("flotilla")), named("theirs", service("flotilla-2"))])
            }
            "/apis/rbac.authorization.k8s.io/v1/rolebindings" => {
                json!([named("ours", binding("flotilla")), named("theirs", binding("flotilla-2"))])
            }
            "/apis/rbac.authorization.k8s.io/v1/roles" => return Some((403, fake_api::status(403, "Forbidden"))),
            "/apis/rbac.authorization.k8s.io/v1/namespaces/flotilla/roles" => {
                json!([named("ours", json!({"metadata": {"namespace": "flotilla"}}))])
            }
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings" => {
                json!([named("ours", bound("cost")), named("theirs", bound("other"))])
            }
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies" => json!([named("cost", policy)]),
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
                let allowed = !request.contains("\"validatingadmissionpolicies\"");
                let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                                    "metadata": {}, "spec": {}, "status": {"allowed": allowed}});
                return Some((201, review));
            }
            _ => json!([]),
        };
        Some((200, json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items})))
    }

    #[tokio::test]
    async fn what_was_applied_by_hand_goes_too_but_not_what_is_of_another_flotilla() {
        let cluster = Cluster::with_client(fake_api::serving(answer).await, "lab", "flotilla");

        let teardown = preview(&cluster).await.unwrap();

        let removed: Vec<_> = teardown.remove.iter().map(|object| format!("{} {}", object.kind, object.name)).collect();
        assert_eq!(
            removed,
            ["APIService ours", "RoleBinding ours", "Role ours", "ValidatingAdmissionPolicyBinding ours"]
        );
        let kept = teardown.keep.last().unwrap();
        assert_eq!((kept.object.kind.as_str(), kept.object.name.as_str()), ("ValidatingAdmissionPolicy", "cost"));
        assert_eq!(
            teardown.commands[..2],
            [
                "kubectl --context lab delete apiservice ours",
                "kubectl --context lab --namespace kube-system delete rolebinding ours",
            ]
        );
    }
}
