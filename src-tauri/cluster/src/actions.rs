//! What a person may do with the workloads, each with a preview of what happens.

use k8s_openapi::{
    api::{
        apps::v1::Deployment, authorization::v1::ResourceAttributes, autoscaling::v2::HorizontalPodAutoscaler,
        core::v1::Pod,
    },
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ts_rs::TS;

use crate::{
    Cluster, Error, ErrorKind, Result,
    apply::FIELD_MANAGER,
    connection::answer,
    forward::{self, PortForward},
    rights,
    shell::quoted,
    workloads::pods,
};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    Scale {
        deployment: String,
        replicas: u32,
    },
    Restart {
        deployment: String,
    },
    DeletePod {
        pod: String,
    },
    /// Open a port of this computer that leads to a service.
    Forward {
        service: String,
        port: u16,
    },
}

/// What an action would do, before anybody agrees to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Preview {
    /// Whether the cluster would let this user do it. If not, the action is not offered.
    pub allowed: bool,
    /// What happens.
    pub sentences: Vec<String>,
    /// Why it may not be what is wanted.
    pub warning: Option<String>,
    /// The same with kubectl.
    pub command: String,
}

/// More than this is a slip of the finger.
const MAX_REPLICAS: u32 = 1_000;

pub async fn preview(cluster: &Cluster, action: &Action) -> Result<Preview> {
    let (allowed, (sentences, warning)) = tokio::try_join!(allowed(cluster, action), consequences(cluster, action))?;
    Ok(Preview { allowed, sentences, warning, command: command(cluster, action) })
}

/// Do it. A forward goes on until what is returned of it is dropped.
pub async fn act(cluster: &Cluster, action: &Action) -> Result<Option<PortForward>> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match action {
        Action::Scale { deployment, replicas } => {
            check(*replicas)?;
            let scale = json!({"spec": {"replicas": replicas}});
            answer(deployments.patch_scale(deployment, &parameters, &Patch::Merge(scale))).await?;
        }
        Action::Restart { deployment } => {
            // The annotation that `kubectl rollout restart` writes, so that both count as the same thing.
            let annotations = json!({"kubectl.kubernetes.io/restartedAt": Timestamp::now().to_string()});
            let restart = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
            answer(deployments.patch(deployment, &parameters, &Patch::Strategic(restart))).await?;
        }
        Action::DeletePod { pod } => {
            let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
            answer(pods.delete(pod, &DeleteParams::default())).await?;
        }
        Action::Forward { service, port } => return PortForward::open(cluster, service, *port).await.map(Some),
    }
    Ok(None)
}

async fn allowed(cluster: &Cluster, action: &Action) -> Result<bool> {
    let (verbs, group, resource, subresource, name): (&[_], _, _, _, _) = match action {
        Action::Scale { deployment, .. } => (&["patch"], "apps", "deployments", Some("scale"), Some(deployment)),
        Action::Restart { deployment } => (&["patch"], "apps", "deployments", None, Some(deployment)),
        Action::DeletePod { pod } => (&["delete"], "", "pods", None, Some(pod)),
        // Over a WebSocket it is a GET, which from Kubernetes 1.35 on takes the right to create too.
        Action::Forward { .. } => (&["get", "create"], "", "pods", Some("portforward"), None),
    };
    for verb in verbs {
        let attributes = ResourceAttributes {
            verb: Some((*verb).to_owned()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(str::to_owned),
            name: name.cloned(),
            namespace: Some(cluster.namespace.clone()),
            ..ResourceAttributes::default()
        };
        if !rights::allowed(cluster, attributes).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What happens, and what speaks against it.
async fn consequences(cluster: &Cluster, action: &Action) -> Result<(Vec<String>, Option<String>)> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    match action {
        Action::Scale { deployment, replicas } => {
            check(*replicas)?;
            let found = answer(deployments.get(deployment)).await?;
            let current = found.spec.and_then(|spec| spec.replicas).unwrap_or(1);
            let owner = autoscaler(cluster, deployment).await?;
            Ok(scaling(deployment, current, *replicas as i32, owner.as_ref()))
        }
        Action::Restart { deployment } => {
            let found = answer(deployments.get(deployment)).await?;
            let count = found.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            let strategy = found.spec.and_then(|spec| spec.strategy).and_then(|strategy| strategy.type_);
            Ok(match strategy.as_deref() {
                Some("Recreate") => (
                    vec![format!("All {} of {deployment} end, then new ones start.", pods(count))],
                    Some("Nothing answers in between: the Deployment's strategy is Recreate.".to_owned()),
                ),
                _ => (
                    vec![
                        format!("Each of the {} of {deployment} is replaced by a new one.", pods(count)),
                        "A pod goes only when its replacement is ready, and first finishes its answers.".to_owned(),
                    ],
                    None,
                ),
            })
        }
        Action::DeletePod { pod } => {
            let objects: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
            let found = answer(objects.get(pod)).await?;
            Ok(deleting(&found))
        }
        Action::Forward { service, port } => Ok((forward::consequences(cluster, service, *port).await?, None)),
    }
}

fn check(replicas: u32) -> Result<()> {
    if replicas > MAX_REPLICAS {
        let message = format!("{replicas} replicas are too many. Choose at most {MAX_REPLICAS}.");
        return Err(Error::lasting(ErrorKind::ClusterFailed, message));
    }
    Ok(())
}

/// Who owns the replicas of a Deployment. Without the right to read autoscalers, nobody that is known.
async fn autoscaler(cluster: &Cluster, deployment: &str) -> Result<Option<HorizontalPodAutoscaler>> {
    let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let list = match answer(autoscalers.list(&ListParams::default())).await {
        Ok(list) => list,
        Err(error) if error.kind == ErrorKind::Forbidden => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(list.items.into_iter().find(|autoscaler| {
        let target = autoscaler.spec.as_ref().map(|spec| &spec.scale_target_ref);
        target.is_some_and(|target| target.kind == "Deployment" && target.name == deployment)
    }))
}

fn scaling(
    deployment: &str,
    current: i32,
    wanted: i32,
    owner: Option<&HorizontalPodAutoscaler>,
) -> (Vec<String>, Option<String>) {
    let what = match wanted - current {
        0 => format!("{deployment} has {} already; nothing changes.", pods(current)),
        more if more > 0 => format!("{} more of {deployment} start: {current} become {wanted}.", pods(more)),
        fewer => format!(
            "{} of {deployment} finish their answers and end: {current} become {wanted}.",
            pods(fewer.saturating_abs())
        ),
    };
    let mut sentences = vec![what];
    if wanted == 0 {
        sentences.push(format!("Nothing of {deployment} answers any more."));
    }
    let warning = owner.and_then(|owner| {
        let spec = owner.spec.as_ref()?;
        let name = owner.metadata.name.as_deref().unwrap_or_default();
        let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
        Some(if wanted == 0 {
            format!("This switches the autoscaler {name} off until {deployment} is scaled up again by hand.")
        } else {
            format!(
                "The autoscaler {name} owns the replicas of {deployment} ({min} to {max}) and sets them again within \
                 15 seconds. Change its limits instead."
            )
        })
    });
    (sentences, warning)
}

fn deleting(pod: &Pod) -> (Vec<String>, Option<String>) {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let owner = pod.metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owner.iter().find(|owner| owner.controller == Some(true));
    let grace = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
    let mut sentences = vec![format!("{name} gets no more requests and has up to {grace} s to finish its answers.")];
    match owner {
        Some(owner) => sentences.push(format!("Its {} {} starts another one in its place.", owner.kind, owner.name)),
        None => {
            let warning = format!("Nothing starts {name} again: no controller owns it.");
            return (sentences, Some(warning));
        }
    }
    (sentences, None)
}

fn command(cluster: &Cluster, action: &Action) -> String {
    let Cluster { context, namespace, .. } = cluster;
    let what = match action {
        Action::Scale { deployment, replicas } => format!("scale deployment/{deployment} --replicas={replicas}"),
        Action::Restart { deployment } => format!("rollout restart deployment/{deployment}"),
        Action::DeletePod { pod } => format!("delete pod {pod}"),
        Action::Forward { service, port } => {
            format!("port-forward service/{service} {}", forward::kubectl_ports(*port))
        }
    };
    format!("kubectl --context {} --namespace {} {what}", quoted(context), quoted(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn autoscaler() -> HorizontalPodAutoscaler {
        serde_json::from_str(include_str!("../tests/fixtures/autoscaler-scaling-up.json")).unwrap()
    }

    #[test]
    fn scaling_warns_when_an_autoscaler_will_undo_it() {
        let (sentences, warning) = scaling("backend", 2, 3, Some(&autoscaler()));
        assert_eq!(sentences, ["1 pod more of backend start: 2 become 3."]);
        assert_eq!(
            warning.unwrap(),
            "The autoscaler backend owns the replicas of backend (2 to 4) and sets them again within 15 seconds. \
             Change its limits instead."
        );
    }

    #[test]
    fn scaling_to_zero_says_what_that_means() {
        let (sentences, warning) = scaling("backend", 2, 0, Some(&autoscaler()));
        assert_eq!(sentences[1], "Nothing of backend answers any more.");
        assert!(warning.unwrap().starts_with("This switches the autoscaler backend off"));
    }

    #[test]
    fn scaling_without_an_autoscaler_has_no_warning() {
        assert_eq!(scaling("frontend", 2, 4, None).1, None);
    }

    #[test]
    fn deleting_a_pod_that_nobody_owns_warns() {
        let mut pod: Pod = serde_json::from_str(include_str!("../tests/fixtures/pod-running.json")).unwrap();
        assert!(deleting(&pod).1.is_some());
        pod.metadata.owner_references = serde_json::from_value(json!([
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "backend-6c9f8d7b5", "uid": "1", "controller": true},
        ]))
        .unwrap();
        let (sentences, warning) = deleting(&pod);
        assert_eq!(sentences[1], "Its ReplicaSet backend-6c9f8d7b5 starts another one in its place.");
        assert_eq!(warning, None);
    }
}
