//! The embedded manifests are what `kubectl apply -k` would apply.

use std::{collections::BTreeMap, path::Path, process::Command};

use flotilla_cluster::{Manifests, Overlay};
use serde_json::Value;

#[test]
fn the_embedded_manifests_are_what_kustomize_composes() {
    for overlay in Overlay::ALL {
        let folder = format!("k8s/{}", overlay.folder());
        let theirs: Vec<Value> = serde_saphyr::from_multiple(&composed(&folder)).unwrap();

        let ours = Manifests::of(overlay).unwrap();
        let ours = ours.objects.iter().map(|object| serde_json::to_value(object).unwrap());

        assert_eq!(by_name(ours), by_name(theirs), "{folder}");
    }
}

#[test]
fn a_namespace_of_ones_own_answers_under_its_own_host() {
    let manifests = Manifests::of(Overlay::K3d).unwrap().in_namespace("flotilla-two");
    let text = serde_json::to_string(&manifests).unwrap();
    assert!(!text.contains("llm-as-a-service"), "something stays behind in the other namespace");
    let objects = by_name(manifests.objects.iter().map(|object| serde_json::to_value(object).unwrap()));
    assert!(objects.contains_key("Namespace flotilla-two"));
    assert_eq!(objects["Ingress flotilla"]["spec"]["rules"][0]["host"], "flotilla-two.localhost");
}

#[test]
fn a_registry_prefix_goes_before_our_images_and_no_others() {
    let manifests = Manifests::of(Overlay::K3d).unwrap().from_registry("registry.example.org/team/");
    let text = serde_json::to_string(&manifests).unwrap();
    for image in ["flotilla-backend", "flotilla-frontend"] {
        let theirs = format!("\"registry.example.org/team/{image}:{}\"", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&theirs), "{theirs} is missing");
        assert!(!text.contains(&format!("\"{image}:")), "{image} is not from the registry everywhere");
    }
    assert!(text.contains("\"postgres:"));
}

#[test]
fn another_build_of_an_image_changes_its_pods_and_no_others() {
    let image = format!("flotilla-backend:{}", env!("CARGO_PKG_VERSION"));
    let built = |id: &str| {
        Manifests::of(Overlay::K3d).unwrap().with_image_ids(&BTreeMap::from([(image.clone(), id.to_owned())]))
    };
    let (first, second) = (built("sha256:1"), built("sha256:2"));
    assert_ne!(first.digest(), second.digest());
    let changed = first.objects.iter().zip(&second.objects).filter(|(first, second)| first != second);
    let changed: Vec<_> = changed.map(|(object, _)| object.metadata.name.as_deref().unwrap()).collect();
    assert_eq!(changed, ["backend"]);
    let mark = second
        .objects
        .iter()
        .find_map(|object| object.data.pointer("/spec/template/metadata/annotations/flotilla.dev~1image"));
    assert_eq!(mark.unwrap(), "sha256:2");
}

#[test]
fn what_others_need_comes_first() {
    let manifests = Manifests::of(Overlay::K3d).unwrap();
    let kinds: Vec<_> = manifests.objects.iter().map(|object| object.types.as_ref().unwrap().kind.as_str()).collect();
    let first = |kind: &str| kinds.iter().position(|other| *other == kind).unwrap();
    assert_eq!(first("Namespace"), 0);
    assert!(first("Secret") < first("StatefulSet") && first("ConfigMap") < first("Deployment"), "{kinds:?}");
    assert!(first("Deployment") < first("HorizontalPodAutoscaler"), "{kinds:?}");
}

/// What kustomize makes of a folder of the repository.
pub fn composed(folder: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let composed = Command::new("scripts/kustomize.sh").arg(folder).current_dir(&root).output().unwrap();
    assert!(composed.status.success(), "{}", String::from_utf8_lossy(&composed.stderr));
    String::from_utf8(composed.stdout).unwrap()
}

pub fn by_name(objects: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    let name = |object: &Value| {
        format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    objects.into_iter().map(|object| (name(&object), object)).collect()
}
