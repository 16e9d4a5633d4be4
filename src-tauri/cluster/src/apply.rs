//! Server-side apply: what it would change, and doing it.

use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PropagationPolicy},
    core::{ApiResource, DynamicObject},
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    Cluster, Error, ErrorKind, Result,
    connection::{answer, at_once},
    diff,
    manifests::{Manifests, gvk, kind, name},
};

/// In the words of a conflict.
const BETWEEN_FIELDS: &str = "; ";
/// Whose fields these are, in the eyes of the API server.
pub(crate) const FIELD_MANAGER: &str = "flotilla";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ObjectRef {
    pub kind: String,
    pub name: String,
    pub namespace: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "ChangeAction")]
pub enum Action {
    Create,
    Change,
    Same,
    /// It was deployed before and is no part of this deploy.
    Delete,
}

/// What becomes of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Change {
    pub kind: String,
    pub name: String,
    pub namespace: Option<String>,
    pub action: Action,
    /// A unified diff of YAML.
    pub diff: Option<String>,
    /// Which fields belong to somebody else, and to whom.
    pub conflict: Option<String>,
}

/// What applying `new` would change, by the server's own judgement. Objects of `old` that are not in `new` would go.
pub(crate) async fn changes(cluster: &Cluster, new: &Manifests, old: Option<&Manifests>) -> Result<Vec<Change>> {
    let namespace_is_new = match namespace_of(new) {
        Some(namespace) => answer(api(cluster, namespace)?.get_opt(name(namespace))).await?.is_none(),
        None => false,
    };
    let surplus: Vec<_> = old.map(|old| surplus(old, new).collect()).unwrap_or_default();
    let mut changes = at_once(new.objects.iter().map(|object| change(cluster, object, namespace_is_new))).await?;
    changes.extend(at_once(surplus.into_iter().map(|object| deletion(cluster, object))).await?.into_iter().flatten());
    Ok(changes)
}

/// Apply all of `new` and delete what only `old` has. Conflicting fields are left alone, and the objects that have
/// them returned, but for those conflicts that `agreed` holds.
pub(crate) async fn apply_all(
    cluster: &Cluster,
    new: &Manifests,
    old: Option<&Manifests>,
    agreed: &[Change],
    applied: &(dyn Fn(&DynamicObject) + Sync),
) -> Result<Vec<Change>> {
    let mut conflicts = Vec::new();
    // One after another: a ConfigMap must be there before the pods that read it.
    for object in &new.objects {
        let patched = match patch(cluster, object, false, false).await? {
            Patched::Conflict(conflict) if agreed.iter().any(|agreed| covers(agreed, object, &conflict)) => {
                patch(cluster, object, true, false).await?
            }
            patched => patched,
        };
        match patched {
            Patched::Done(_) => applied(object),
            Patched::Conflict(conflict) => conflicts.push(described(object, Action::Change, None, Some(conflict))),
        }
    }
    for object in old.into_iter().flat_map(|old| surplus(old, new)) {
        delete(cluster, object).await?;
    }
    Ok(conflicts)
}

/// Whether every field of this conflict was agreed to be taken over.
fn covers(agreed: &Change, object: &DynamicObject, conflict: &str) -> bool {
    let ObjectRef { kind, name, namespace } = reference(object);
    let fields: Vec<_> = agreed.conflict.iter().flat_map(|agreed| agreed.split(BETWEEN_FIELDS)).collect();
    (&agreed.kind, &agreed.name, &agreed.namespace) == (&kind, &name, &namespace)
        && conflict.split(BETWEEN_FIELDS).all(|field| fields.contains(&field))
}

/// Delete, which is done too when there is nothing.
pub(crate) async fn delete(cluster: &Cluster, object: &DynamicObject) -> Result<()> {
    let parameters =
        DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..DeleteParams::default() };
    match answer(api(cluster, object)?.delete(name(object), &parameters)).await {
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

pub(crate) fn api(cluster: &Cluster, object: &DynamicObject) -> Result<Api<DynamicObject>> {
    let gvk = gvk(object).ok_or_else(|| {
        let message = format!("The object {} has no kind, so it cannot be applied.", name(object));
        Error::lasting(ErrorKind::ClusterFailed, message)
    })?;
    let resource = ApiResource::from_gvk(&gvk);
    Ok(match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
        None => Api::all_with(cluster.client.clone(), &resource),
    })
}

pub(crate) fn reference(object: &DynamicObject) -> ObjectRef {
    ObjectRef {
        kind: kind(object).to_owned(),
        name: name(object).to_owned(),
        namespace: object.metadata.namespace.clone(),
    }
}

pub(crate) fn namespace_of(manifests: &Manifests) -> Option<&DynamicObject> {
    manifests.objects.iter().find(|object| kind(object) == "Namespace")
}

enum Patched {
    Done(Box<DynamicObject>),
    Conflict(String),
}

async fn patch(cluster: &Cluster, object: &DynamicObject, force: bool, dry_run: bool) -> Result<Patched> {
    let parameters = PatchParams { force, dry_run, ..PatchParams::apply(FIELD_MANAGER) };
    let api = api(cluster, object)?;
    let request = async {
        // The status in the error tells whose fields they are, so it is looked at before it becomes words.
        match api.patch(name(object), &parameters, &Patch::Apply(object)).await {
            Err(kube::Error::Api(status)) if status.code == 409 && status.details.is_some() => Ok(Err(status)),
            other => other.map(Ok),
        }
    };
    match answer(request).await.map_err(|error| about(object, error))? {
        Ok(patched) => Ok(Patched::Done(Box::new(patched))),
        Err(status) => match conflict(&status) {
            Some(words) => Ok(Patched::Conflict(words)),
            None => Err(about(object, Error::from(*status))),
        },
    }
}

async fn change(cluster: &Cluster, object: &DynamicObject, namespace_is_new: bool) -> Result<Change> {
    // Nothing can be tried in a namespace that is not there yet.
    if namespace_is_new && object.metadata.namespace.is_some() {
        return Ok(described(object, Action::Create, diff::unified(&title(object), None, Some(object)), None));
    }
    let current = answer(api(cluster, object)?.get_opt(name(object))).await.map_err(|error| about(object, error))?;
    let (would_be, conflict) = match patch(cluster, object, false, true).await? {
        Patched::Done(would_be) => (would_be, None),
        Patched::Conflict(words) => match patch(cluster, object, true, true).await? {
            Patched::Done(would_be) => (would_be, Some(words)),
            Patched::Conflict(_) => (Box::new(object.clone()), Some(words)),
        },
    };
    let diff = diff::unified(&title(object), current.as_ref(), Some(&would_be));
    let action = match (&current, &diff) {
        (None, _) => Action::Create,
        (Some(_), None) => Action::Same,
        (Some(_), Some(_)) => Action::Change,
    };
    Ok(described(object, action, diff, conflict))
}

async fn deletion(cluster: &Cluster, object: &DynamicObject) -> Result<Option<Change>> {
    let current = answer(api(cluster, object)?.get_opt(name(object))).await.map_err(|error| about(object, error))?;
    Ok(current
        .map(|current| described(object, Action::Delete, diff::unified(&title(object), Some(&current), None), None)))
}

/// The objects that only the old set has, last ones first. A namespace is never among them: volumes go with it.
pub(crate) fn surplus<'a>(old: &'a Manifests, new: &'a Manifests) -> impl Iterator<Item = &'a DynamicObject> {
    old.objects.iter().rev().filter(|object| {
        kind(object) != "Namespace" && !new.objects.iter().any(|kept| reference(kept) == reference(object))
    })
}

/// `ConfigMap/backend: .data.LOG_FORMAT belongs to kubectl-edit`, for each field that somebody else owns.
fn conflict(status: &kube::core::Status) -> Option<String> {
    let causes = &status.details.as_ref()?.causes;
    let fields: Vec<_> = causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            let owner = cause.message.split('"').nth(1).unwrap_or("another program");
            format!("{} belongs to {owner}", cause.field)
        })
        .collect();
    (!fields.is_empty()).then(|| fields.join(BETWEEN_FIELDS))
}

fn described(object: &DynamicObject, action: Action, diff: Option<String>, conflict: Option<String>) -> Change {
    let ObjectRef { kind, name, namespace } = reference(object);
    Change { kind, name, namespace, action, diff, conflict }
}

fn about(object: &DynamicObject, error: Error) -> Error {
    Error { message: format!("{}: {}", title(object), error.message), ..error }
}

fn title(object: &DynamicObject) -> String {
    format!("{} {}", kind(object), name(object))
}
