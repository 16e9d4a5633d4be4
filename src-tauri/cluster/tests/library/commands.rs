//! What a step shows can be typed instead, and does what the step does.

use std::{fs, process::Command};

use flotilla_cluster::{
    Manifests, Overlay,
    plan::{DeployOptions, Deployment, Images, Settings, StepId, Target},
};
use serde_json::Value;

use crate::{
    fake_cluster::cluster,
    manifests::{by_name, composed},
    support::{calls, program},
};

/// With everything in it that means something to a shell or to sed.
const PREFIX: &str = r"registry.example.org:5000/it's&a|b\1$(exit)";

#[tokio::test]
async fn what_is_typed_for_a_registry_deploys_its_images() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("composed"), composed("k8s/overlays/k3d")).unwrap();
    let body = r#"case "$1" in kustomize) cat "$(dirname "$0")/composed" ;; *) cat > "$(dirname "$0")/$3" ;; esac"#;
    let kubectl = program(folder.path(), "kubectl", body);
    let images = Images::Registry { prefix: PREFIX.to_owned() };
    let options = DeployOptions { target: Target::Context, images, ..DeployOptions::default() };
    let settings = Settings::new(folder.path().join("state"));
    let plan = Deployment::start(options, Some(cluster("uid-1").await), settings).unwrap().plan();
    let objects = Manifests::of(Overlay::K3d).unwrap().from_registry(PREFIX).objects;
    let deployed = by_name(objects.iter().map(|object| serde_json::to_value(object).unwrap()));
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());

    for (step, verb) in [(StepId::Diff, "diff"), (StepId::Apply, "apply")] {
        let typed = &plan.step(step).command;
        assert!(Command::new("sh").args(["-c", typed]).env("PATH", &path).status().unwrap().success(), "{typed}");

        let sent = fs::read_to_string(folder.path().join(verb)).unwrap();
        let sent: Vec<Value> = serde_saphyr::from_multiple(&sent).unwrap();
        assert_eq!(by_name(sent), deployed, "{typed}");
        let calls = calls(&kubectl);
        let call = format!("--context it {verb} --server-side --field-manager flotilla --filename -");
        assert!(calls.contains(&"kustomize k8s/overlays/k3d".to_owned()) && calls.contains(&call), "{calls:?}");
    }
}
