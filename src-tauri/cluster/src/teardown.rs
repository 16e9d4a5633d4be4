//! Taking Flotilla out of a cluster again, without its data.

mod beyond;

use std::{collections::BTreeSet, fmt::Debug, path::Path, time::Duration};

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    Api, Resource, ResourceExt as _,
    api::ListParams,
    core::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta},
    runtime::wait::{await_condition, conditions},
};
use serde::{Serialize, de::DeserializeOwned};
use ts_rs::TS;

use self::beyond::Beyond;
use crate::{
    Cluster, Error, ErrorKind, ObjectRef, Result, apply,
    connection::{answer, at_once},
    manifests::{Manifests, Overlay, PART_OF, kind, name},
    plan::record::{self, History},
    shell::quoted,
};

/// Longer than any pod may take to finish its answers.
const GONE_LIMIT: Duration = Duration::from_secs(360);

/// Exactly what goes and what stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Teardown {
    pub remove: Vec<ObjectRef>,
    pub keep: Vec<Kept>,
    /// What one would type instead, and what to type for the rest.
    pub commands: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Kept {
    pub object: ObjectRef,
    pub why: String,
}

/// Look, and change nothing.
pub async fn preview(cluster: &Cluster) -> Result<Teardown> {
    let Beyond { remove: beyond, keep: forbidden } = beyond::find(cluster).await?;
    let within = within(cluster).await?;
    let claims = Api::<PersistentVolumeClaim>::namespaced(cluster.client.clone(), &cluster.namespace);
    let claims = answer(claims.list(&ListParams::default())).await?;
    let mut keep: Vec<_> = claims
        .items
        .iter()
        .map(|claim| Kept {
            object: ObjectRef {
                kind: "PersistentVolumeClaim".to_owned(),
                name: claim.name_any(),
                namespace: claim.namespace(),
            },
            why: match is_ours(claim) {
                true => "It holds the chats, and the next deploy finds them there.".to_owned(),
                false => "It is not Flotilla's: somebody else has put it there.".to_owned(),
            },
        })
        .collect();
    keep.push(Kept {
        object: ObjectRef { kind: "Namespace".to_owned(), name: cluster.namespace.clone(), namespace: None },
        why: "Deleting it would delete everything in it, volumes and what others have put there too.".to_owned(),
    });
    keep.extend(forbidden.iter().map(|object| Kept {
        object: apply::reference(object),
        why: "You have no right to delete it. The cluster's administrator has.".to_owned(),
    }));
    let mut commands: Vec<_> = beyond.iter().map(|object| delete_line(cluster, object)).collect();
    let kubectl = format!("kubectl --context {} --namespace {}", quoted(&cluster.context), quoted(&cluster.namespace));
    let kinds: BTreeSet<_> = within.iter().map(|object| kind(object).to_lowercase()).collect();
    if !kinds.is_empty() {
        let kinds = kinds.into_iter().collect::<Vec<_>>().join(",");
        commands.push(format!("{kubectl} delete {kinds} --selector {PART_OF}"));
        let limit = GONE_LIMIT.as_secs();
        commands.push(format!("{kubectl} wait pod --for delete --selector {PART_OF} --timeout {limit}s"));
    }
    if claims.items.iter().any(is_ours) {
        commands.push(format!(
            "# For the chats too, which cannot be undone:\n{kubectl} delete persistentvolumeclaim --selector {PART_OF}"
        ));
    }
    Ok(Teardown { remove: beyond.iter().chain(&within).map(apply::reference).collect(), keep, commands })
}

fn delete_line(cluster: &Cluster, object: &DynamicObject) -> String {
    let namespace = object.metadata.namespace.as_deref();
    let place = namespace.map(|namespace| format!(" --namespace {}", quoted(namespace))).unwrap_or_default();
    let (kind, name) = (kind(object).to_lowercase(), quoted(name(object)));
    format!("kubectl --context {}{place} delete {kind} {name}", quoted(&cluster.context))
}

fn is_ours(claim: &PersistentVolumeClaim) -> bool {
    let label = PART_OF.split_once('=');
    claim.labels().iter().any(|(name, value)| Some((name.as_str(), value.as_str())) == label)
}

/// Remove what [`preview`] names, and wait until it and its pods are gone. Repeating it finishes an interrupted one.
pub async fn run(cluster: &Cluster, state_folder: &Path) -> Result<()> {
    let mut removed = beyond::find(cluster).await?.remove;
    removed.extend(within(cluster).await?);
    for object in &removed {
        apply::delete(cluster, object).await?;
    }
    at_once(removed.iter().map(|object| async move { gone(apply::api(cluster, object)?, object).await })).await?;
    // They outlive what has made them, to finish their answers.
    let pods = Api::<Pod>::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut left = answer(pods.list(&ListParams::default().labels(PART_OF))).await?.items;
    left.retain(|pod| !pod.owner_references().is_empty());
    at_once(left.iter().map(|pod| gone(pods.clone(), pod))).await?;
    History::of(cluster, state_folder).await?.clear()?;
    // What it has applied is gone, so there is nothing in it to go on with.
    record::forget(cluster, state_folder).await
}

/// Every object of the namespace with Flotilla's label, of the kinds that any overlay here ships; those first that make
/// others.
async fn within(cluster: &Cluster) -> Result<Vec<DynamicObject>> {
    let mut kinds: Vec<GroupVersionKind> = Vec::new();
    for overlay in Overlay::ALL {
        for kind in Manifests::of(overlay)?.kinds() {
            if kind.kind != "Namespace" && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    kinds.reverse();
    Ok(at_once(kinds.into_iter().map(|kind| in_namespace(cluster, kind))).await?.into_iter().flatten().collect())
}

async fn in_namespace(cluster: &Cluster, kind: GroupVersionKind) -> Result<Vec<DynamicObject>> {
    let resource = ApiResource::from_gvk(&kind);
    list(Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource), &resource).await
}

async fn list(api: Api<DynamicObject>, resource: &ApiResource) -> Result<Vec<DynamicObject>> {
    let mut objects = answer(api.list(&ListParams::default().labels(PART_OF))).await?.items;
    for object in &mut objects {
        // A list says the kind once and for all.
        object.types = Some(TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
    }
    // What something else has made goes with its maker.
    objects.retain(|object| object.owner_references().is_empty());
    Ok(objects)
}

async fn gone<K>(api: Api<K>, object: &K) -> Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let uid = object.uid().unwrap_or_default();
    let name = object.name_any();
    let waiting = await_condition(api, &name, conditions::is_deleted(&uid));
    match tokio::time::timeout(GONE_LIMIT, waiting).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Error::passing(
            ErrorKind::ClusterUnreachable,
            format!("Whether {name} is gone cannot be seen: {}. Try again.", crate::error::chain(&error)),
        )),
        Err(_) => Err(Error::passing(
            ErrorKind::ClusterFailed,
            format!(
                "{name} is not gone after {} s. Look at its finalizers and at the nodes, then try again.",
                GONE_LIMIT.as_secs()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use serde_json::{Value, json};

    use super::*;
    use crate::fake_api;

    #[test]
    fn no_pod_may_take_longer_than_a_teardown_waits() {
        for overlay in Overlay::ALL {
            let objects = Manifests::of(overlay).unwrap().objects;
            let grace = |object: &DynamicObject| {
                object.data.pointer("/spec/template/spec/terminationGracePeriodSeconds").and_then(Value::as_u64)
            };
            let longest = objects.iter().filter_map(grace).max().unwrap();
            assert!(Duration::from_secs(longest) < GONE_LIMIT, "{overlay:?} gives a pod {longest} s");
        }
    }

    #[tokio::test]
    async fn a_teardown_waits_for_the_pods_that_finish_their_answers() {
        let is_gone = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_gone);
        let client = fake_api::serving(move |request| {
            let maker = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "backend-1", "uid": "uid-1"});
            let metadata =
                json!({"name": "backend-1-a", "uid": "uid-2", "resourceVersion": "1", "ownerReferences": [maker]});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
            let is_of_pods = request.starts_with("GET /api/v1/namespaces/flotilla/pods?");
            let body = if request.starts_with("GET /api/v1/namespaces/kube-system ") {
                json!({"metadata": {"name": "kube-system", "uid": "uid-3"}})
            } else if is_of_pods && request.contains("watch=true") {
                seen.store(true, Ordering::Relaxed);
                json!({"type": "DELETED", "object": pod})
            } else {
                let items = if is_of_pods { json!([pod]) } else { json!([]) };
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
            };
            Some((200, body))
        })
        .await;
        let state = tempfile::tempdir().unwrap();

        run(&Cluster::with_client(client, "lab", "flotilla"), state.path()).await.unwrap();

        assert!(is_gone.load(Ordering::Relaxed));
    }
}
