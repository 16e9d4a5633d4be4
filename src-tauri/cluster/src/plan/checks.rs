//! What can be known of a cluster before anything in it is changed.

use std::path::Path;

use k8s_openapi::api::{
    authorization::v1::ResourceAttributes,
    core::v1::{Namespace, Node},
};
use kube::{
    Api,
    api::ListParams,
    core::{ApiResource, GroupVersionKind},
};

use super::{Check, CheckStatus, record::History};
use crate::{
    Cluster, ErrorKind, Result, apply,
    connection::{answer, at_once},
    images::Image,
    manifests::Manifests,
    rights,
};

/// The checks, and whether to leave the namespace as it is.
pub(super) async fn cluster(
    cluster: &Cluster,
    manifests: &Manifests,
    state_folder: &Path,
) -> Result<(Vec<Check>, bool)> {
    let mut checks = Vec::new();
    match answer(cluster.client.apiserver_version()).await {
        Ok(version) => {
            let message = format!("{} answers with Kubernetes {}.", cluster.context, version.git_version);
            checks.push(Check::new("cluster", CheckStatus::Ok, message));
        }
        Err(error) => {
            // Without an answer there is nothing else to ask.
            checks.push(Check::new("cluster", CheckStatus::Failed, error.message));
            return Ok((checks, false));
        }
    }
    let (namespace, exists) = namespace(cluster).await?;
    checks.extend(namespace);
    let last = History::of(cluster, state_folder).await?.read()?.pop();
    let surplus = last.iter().flat_map(|last| apply::surplus(&last.manifests, manifests)).cloned().collect();
    let surplus = Manifests { objects: surplus };
    let (rights, leave_namespace) = rights_over(cluster, manifests, &surplus, exists).await?;
    checks.push(rights);
    Ok((checks, leave_namespace))
}

async fn namespace(cluster: &Cluster) -> Result<(Option<Check>, bool)> {
    let name = &cluster.namespace;
    match answer(Api::<Namespace>::all(cluster.client.clone()).get_opt(name)).await {
        Ok(Some(namespace)) if namespace.metadata.deletion_timestamp.is_some() => {
            let message = format!("The namespace {name} is being deleted. Wait until it is gone, then resume.");
            Ok((Some(Check::new("namespace", CheckStatus::Failed, message)), true))
        }
        Ok(Some(_)) => Ok((Some(Check::new("namespace", CheckStatus::Ok, format!("{name} is there."))), true)),
        Ok(None) => Ok((Some(Check::new("namespace", CheckStatus::Ok, format!("{name} will be made."))), false)),
        // Who may not look at a namespace may still have rights in it.
        Err(error) if error.kind == ErrorKind::Forbidden => Ok((None, true)),
        Err(error) => Err(error),
    }
}

/// Ask for each kind whether the user may create and patch it, or delete it where Apply does. The namespace itself may be left alone once it exists.
async fn rights_over(
    cluster: &Cluster,
    manifests: &Manifests,
    surplus: &Manifests,
    namespace_exists: bool,
) -> Result<(Check, bool)> {
    let (kinds, deleted) = (manifests.kinds(), surplus.kinds());
    let made = kinds.iter().flat_map(|kind| ["create", "patch"].map(|verb| (kind, verb)));
    let questions: Vec<_> = made.chain(deleted.iter().map(|kind| (kind, "delete"))).collect();
    let answers = at_once(questions.iter().map(|(kind, verb)| may(cluster, kind, verb))).await?;
    let missing = questions.iter().zip(answers).filter(|(_, allowed)| !allowed).map(|(question, _)| question);
    let (of_namespace, others): (Vec<_>, Vec<_>) = missing.partition(|(kind, _)| kind.kind == "Namespace");
    let leave_namespace = namespace_exists && !of_namespace.is_empty();
    let mut lacking: Vec<_> = others.iter().map(|(kind, verb)| format!("{verb} {}", plural(kind))).collect();
    if !of_namespace.is_empty() && !namespace_exists {
        lacking.insert(0, format!("create the namespace {}", cluster.namespace));
    }
    let check = if !lacking.is_empty() {
        let message = format!(
            "You may not {} in {}. Ask the cluster's administrator for these rights, then resume.",
            lacking.join(", "),
            cluster.namespace
        );
        Check::new("rights", CheckStatus::Failed, message)
    } else if leave_namespace {
        let message = format!("You may deploy into {}; the namespace itself is left as it is.", cluster.namespace);
        Check::new("rights", CheckStatus::Warning, message)
    } else {
        Check::new("rights", CheckStatus::Ok, "You may make everything that the deploy makes.")
    };
    Ok((check, leave_namespace))
}

async fn may(cluster: &Cluster, kind: &GroupVersionKind, verb: &str) -> Result<bool> {
    let is_namespace = kind.kind == "Namespace";
    let attributes = ResourceAttributes {
        group: Some(kind.group.clone()),
        version: Some(kind.version.clone()),
        resource: Some(plural(kind)),
        verb: Some(verb.to_owned()),
        namespace: (!is_namespace).then(|| cluster.namespace.clone()),
        name: is_namespace.then(|| cluster.namespace.clone()),
        ..ResourceAttributes::default()
    };
    rights::allowed(cluster, attributes).await
}

/// Whether the nodes have the images that nothing will load. Nodes tell only of some of their images, and not everyone
/// may ask, so this never fails.
pub(super) async fn present_images(cluster: &Cluster) -> Check {
    let nodes = Api::<Node>::all(cluster.client.clone());
    let Ok(nodes) = answer(nodes.list(&ListParams::default())).await else {
        let message = "Whether the nodes have the images cannot be seen; pods that lack one will say so.";
        return Check::new("images", CheckStatus::Warning, message);
    };
    let names: Vec<_> = nodes
        .items
        .iter()
        .filter_map(|node| node.status.as_ref()?.images.as_ref())
        .flatten()
        .filter_map(|image| image.names.as_ref())
        .flatten()
        .collect();
    let missing: Vec<_> = Image::ALL
        .iter()
        .map(|image| image.name())
        .filter(|own| !names.iter().any(|name| *name == own || name.ends_with(&format!("/{own}"))))
        .collect();
    if missing.is_empty() {
        return Check::new("images", CheckStatus::Ok, "The nodes have the images.");
    }
    let message = format!("No node tells of {}. Load what is missing, or pods will wait for it.", missing.join(", "));
    Check::new("images", CheckStatus::Warning, message)
}

fn plural(kind: &GroupVersionKind) -> String {
    ApiResource::from_gvk(kind).plural
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake_api;

    /// The check in a cluster where one node has the first of these images and another one the rest.
    async fn found_with(images: &[String]) -> Check {
        let node = |images: &[String]| {
            let images: Vec<_> = images.iter().map(|image| json!({"names": [image]})).collect();
            json!({"metadata": {}, "status": {"images": images}})
        };
        let (one, other) = images.split_at(images.len().min(1));
        let nodes = json!({"metadata": {}, "items": [node(one), node(other)]});
        let serve = move |request: &str| request.starts_with("GET /api/v1/nodes").then(|| (200, nodes.clone()));
        present_images(&Cluster::with_client(fake_api::serving(serve).await, "lab", "flotilla")).await
    }

    #[tokio::test]
    async fn images_that_no_node_tells_of_are_named_as_a_warning() {
        let [backend, frontend] = Image::ALL.map(Image::name);
        let others = ["docker.io/library/postgres:15".to_owned(), "not-flotilla-backend:0".to_owned()];

        let check = found_with(&others).await;
        assert_eq!(check.status, CheckStatus::Warning);
        assert_eq!(
            check.message,
            format!("No node tells of {backend}, {frontend}. Load what is missing, or pods will wait for it.")
        );

        let check = found_with(&[format!("docker.io/library/{backend}")]).await;
        assert_eq!(check.status, CheckStatus::Warning);
        assert!(check.message.starts_with(&format!("No node tells of {frontend}. ")), "{check:?}");

        let check = found_with(&[format!("docker.io/library/{backend}"), frontend]).await;
        assert_eq!((check.status, check.message.as_str()), (CheckStatus::Ok, "The nodes have the images."));
    }

    #[tokio::test]
    async fn nodes_that_may_not_be_looked_at_are_a_warning_too() {
        let cluster = Cluster::with_client(fake_api::refusing().await, "lab", "flotilla");
        let check = present_images(&cluster).await;
        assert_eq!(check.status, CheckStatus::Warning);
        assert!(check.message.contains("cannot be seen"), "{check:?}");
    }
}
