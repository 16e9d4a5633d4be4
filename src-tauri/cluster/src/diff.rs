//! What applying would change, object by object, for people to read.

use kube::core::DynamicObject;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use similar::TextDiff;

/// From the object in the cluster, if there is one, to what it would become.
pub(crate) fn unified(name: &str, old: Option<&DynamicObject>, new: Option<&DynamicObject>) -> Option<String> {
    let (before, after) = (old.map(readable).unwrap_or_default(), new.map(readable).unwrap_or_default());
    if before == after {
        return None;
    }
    let diff = TextDiff::from_lines(&before, &after);
    Some(diff.unified_diff().context_radius(3).header(&format!("{name} in the cluster"), name).to_string())
}

/// YAML without what the server keeps for itself and without secrets.
pub(crate) fn readable(object: &DynamicObject) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    if value["kind"] == "Secret" {
        hide_secrets(&mut value);
    }
    serde_saphyr::to_string(&value).unwrap_or_default()
}

/// The whole object.
pub(crate) fn to_yaml(object: &DynamicObject) -> String {
    serde_saphyr::to_string(object).unwrap_or_default()
}

/// Whether a secret changes is shown; what it is, is not.
fn hide_secrets(value: &mut Value) {
    for field in ["data", "stringData"] {
        if let Some(entries) = value.get_mut(field).and_then(Value::as_object_mut) {
            for secret in entries.values_mut() {
                let bytes = secret.as_str().unwrap_or_default().as_bytes();
                let mark: String = Sha256::digest(bytes).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                *secret = json!(format!("(hidden, {mark})"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_the_server_adds_is_no_change() {
        let ours =
            object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}));
        let theirs = object(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}, "metadata": {
            "name": "a", "uid": "1", "resourceVersion": "7", "managedFields": [{"manager": "x"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}}));
        assert_eq!(unified("ConfigMap/a", Some(&theirs), Some(&ours)), None);
    }

    #[test]
    fn a_changed_secret_shows_that_it_changes_and_not_what_it_is() {
        let secret = |value: &str| {
            object(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": value}}),
            )
        };
        let diff = unified("Secret/s", Some(&secret("b2xk")), Some(&secret("bmV3"))).unwrap();
        assert!(diff.contains("-  password: ") && diff.contains("+  password: "), "{diff}");
        assert!(!diff.contains("b2xk") && !diff.contains("bmV3"), "{diff}");
    }
}
