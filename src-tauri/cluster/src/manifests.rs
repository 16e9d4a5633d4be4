//! The repository's own manifests, composed as `kubectl apply -k` composes them.
//!
//! Only `resources`, `components` and `images` are understood, which is all that the overlays here use. What else a
//! kustomization may hold is an error, so that nothing is left out in silence.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{DynamicObject, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ts_rs::TS;

use crate::{Error, ErrorKind, NAMESPACE, Result, images::Image};

const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/manifests.rs"));

/// The label that every object carries.
pub(crate) const PART_OF: &str = "app.kubernetes.io/part-of=flotilla";

/// On pods: what is in the image that they were made for. A new build has the name of the old one, and without a change
/// to the pods Kubernetes would keep the old ones.
const IMAGE_MARK: &str = "flotilla.dev/image";

/// Kinds in the order in which others need them; the rest comes in between.
const FIRST: [&str; 6] = ["Namespace", "ServiceAccount", "Secret", "ConfigMap", "Service", "NetworkPolicy"];
const LAST: [&str; 3] = ["HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub enum Overlay {
    /// Every backend pod answers with the model in its image.
    #[serde(rename = "k3d")]
    K3d,
    /// The Ollama on this machine answers.
    #[serde(rename = "ollama-host")]
    OllamaHost,
}

impl Overlay {
    pub const ALL: [Self; 2] = [Self::K3d, Self::OllamaHost];

    /// Its folder in the repository.
    pub fn folder(self) -> &'static str {
        match self {
            Self::K3d => "overlays/k3d",
            Self::OllamaHost => "overlays/ollama-host",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
}

/// The objects of an installation, in the order in which to apply them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifests {
    pub objects: Vec<DynamicObject>,
}

impl Manifests {
    pub fn of(overlay: Overlay) -> Result<Self> {
        let mut objects = Vec::new();
        compose(overlay.folder(), &mut objects)?;
        objects.sort_by_key(|object: &DynamicObject| rank(kind(object)));
        Ok(Self { objects })
    }

    /// Into another namespace. There it answers under `NAMESPACE.localhost`: two Ingresses with the same paths and no
    /// host would fight for every request.
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        if namespace == NAMESPACE {
            return self;
        }
        for object in &mut self.objects {
            if kind(object) == "Namespace" {
                object.metadata.name = Some(namespace.to_owned());
            } else if object.metadata.namespace.is_some() {
                object.metadata.namespace = Some(namespace.to_owned());
            }
            if kind(object) == "Ingress"
                && let Some(rules) = object.data.pointer_mut("/spec/rules").and_then(Value::as_array_mut)
            {
                for rule in rules {
                    rule["host"] = format!("{namespace}.localhost").into();
                }
            }
        }
        self
    }

    /// With Flotilla's own images from `PREFIX/flotilla-backend:VERSION`.
    pub fn from_registry(mut self, prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        for object in &mut self.objects {
            each_image(&mut object.data, &mut |image| {
                if Image::ALL.iter().any(|own| *image == own.name()) {
                    *image = format!("{prefix}/{image}");
                }
            });
        }
        self
    }

    /// With a mark on the pods of each of these images, given by name and id.
    pub fn with_image_ids(mut self, ids: &BTreeMap<String, String>) -> Self {
        for object in &mut self.objects {
            let Some(template) = object.data.pointer_mut("/spec/template") else { continue };
            let mut used = BTreeSet::new();
            each_image(template, &mut |image| used.extend(ids.get(image).cloned()));
            if !used.is_empty() {
                let mark = used.into_iter().collect::<Vec<_>>().join(",");
                template["metadata"]["annotations"][IMAGE_MARK] = mark.into();
            }
        }
        self
    }

    /// Recognises the same set of objects.
    pub fn digest(&self) -> String {
        let described = serde_json::to_vec(&self.objects).unwrap_or_default();
        Sha256::digest(described).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The kinds that appear, each once.
    pub(crate) fn kinds(&self) -> Vec<GroupVersionKind> {
        let mut seen = BTreeSet::new();
        let kinds = self.objects.iter().filter_map(gvk);
        kinds.filter(|kind| seen.insert((kind.group.clone(), kind.kind.clone()))).collect()
    }
}

pub(crate) fn gvk(object: &DynamicObject) -> Option<GroupVersionKind> {
    GroupVersionKind::try_from(object.types.as_ref()?).ok()
}

pub(crate) fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map(|types| types.kind.as_str()).unwrap_or_default()
}

pub(crate) fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn compose(folder: &str, objects: &mut Vec<DynamicObject>) -> Result<()> {
    let path = format!("{folder}/kustomization.yaml");
    let text = file(&path).ok_or_else(|| damaged(&path, "it is not there"))?;
    let kustomization: Kustomization =
        serde_saphyr::from_str(text).map_err(|error| damaged(&path, &error.to_string()))?;
    for entry in kustomization.resources.iter().chain(&kustomization.components) {
        let path = join(folder, entry);
        match file(&path) {
            Some(text) => objects.extend(parse(&path, text)?),
            None => compose(&path, objects)?,
        }
    }
    Ok(())
}

fn parse(path: &str, text: &str) -> Result<Vec<DynamicObject>> {
    serde_saphyr::from_multiple(text).map_err(|error| damaged(path, &error.to_string()))
}

fn file(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(name, _)| *name == path).map(|(_, text)| *text)
}

fn join(folder: &str, entry: &str) -> String {
    let mut parts: Vec<_> = folder.split('/').collect();
    for part in entry.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn rank(kind: &str) -> usize {
    let first = FIRST.iter().position(|first| *first == kind);
    let last = LAST.iter().position(|last| *last == kind).map(|position| FIRST.len() + 1 + position);
    first.or(last).unwrap_or(FIRST.len())
}

fn each_image(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(image) if name == "image" => change(image),
                    field => each_image(field, change),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_image(item, change)),
        _ => {}
    }
}

fn damaged(path: &str, why: &str) -> Error {
    Error::lasting(ErrorKind::ClusterFailed, format!("The manifest k8s/{path} inside this program is damaged: {why}."))
}
