//! One object as YAML, for people to read.

use kube::{
    Api, ResourceExt as _,
    core::{ApiResource, DynamicObject, GroupVersionKind},
};

use crate::{Cluster, Error, ErrorKind, ObjectRef, Result, connection::answer, diff};

/// The kinds that the panel shows, and where the API has them.
const KINDS: [(&str, &str, &str); 12] = [
    ("Pod", "", "v1"),
    ("Service", "", "v1"),
    ("ConfigMap", "", "v1"),
    ("PersistentVolumeClaim", "", "v1"),
    ("Event", "", "v1"),
    ("Deployment", "apps", "v1"),
    ("StatefulSet", "apps", "v1"),
    ("ReplicaSet", "apps", "v1"),
    ("HorizontalPodAutoscaler", "autoscaling", "v2"),
    ("PodDisruptionBudget", "policy", "v1"),
    ("Ingress", "networking.k8s.io", "v1"),
    ("NetworkPolicy", "networking.k8s.io", "v1"),
];

/// The object as it is now, its status too; without `managedFields`, which nobody reads.
pub async fn yaml(cluster: &Cluster, object: &ObjectRef) -> Result<String> {
    let (kind, group, version) = KINDS.into_iter().find(|(kind, ..)| *kind == object.kind).ok_or_else(|| {
        Error::lasting(ErrorKind::NotFound, format!("Objects of the kind {} are not shown here.", object.kind))
    })?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let namespace = object.namespace.as_deref().unwrap_or(&cluster.namespace);
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), namespace, &resource);
    let mut found = answer(api.get(&object.name)).await?;
    found.managed_fields_mut().clear();
    Ok(diff::to_yaml(&found))
}
