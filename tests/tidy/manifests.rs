//! The manifests, the Compose file and the Dockerfiles: they set what the server has, and name what is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use clap::Args;
use serde_json::Value;

use super::{between, files, read};

type Settings = BTreeMap<String, String>;

const CLUSTER_WIDE: [&str; 5] =
    ["Namespace", "StorageClass", "APIService", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];

#[test]
fn every_config_map_of_the_backend_holds_settings_with_values_that_the_server_takes() {
    let objects = objects();
    let deployments = of_kind(&objects, "Deployment");
    let backend =
        deployments.map(|(_, object)| backend_container(object)).find(|found| found.is_some()).unwrap().unwrap();
    let sources = backend["envFrom"].as_array().unwrap();
    let names: BTreeSet<_> = sources.iter().filter_map(|source| source["configMapRef"]["name"].as_str()).collect();
    let config_maps = of_kind(&objects, "ConfigMap").filter(|(_, object)| names.contains(name(object)));
    let mut found = 0;
    for (path, object) in config_maps {
        let data = object["data"].as_object().unwrap();
        let settings = data.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        assert_server_takes(path, settings.collect());
        found += 1;
    }
    assert!(found > names.len(), "{names:?}: an overlay each has its own, so there are more files than names");
}

#[test]
fn the_backend_deployment_sets_what_the_server_takes() {
    let objects = objects();
    for (path, object) in of_kind(&objects, "Deployment") {
        let Some(container) = backend_container(object) else { continue };
        let variables = container["env"].as_array().unwrap();
        let pairs = variables.iter().map(|variable| {
            let value = variable["value"].as_str().unwrap_or("from-a-secret");
            (variable["name"].as_str().unwrap().to_owned(), value.to_owned())
        });
        let all: Settings = pairs.collect();
        // A variable may be there for another one to be made of.
        let is_part = |name: &str| all.values().any(|value| value.contains(&format!("$({name})")));
        assert_server_takes(path, all.clone().into_iter().filter(|(name, _)| !is_part(name)).collect());
    }
}

#[test]
fn the_compose_file_sets_what_the_server_takes() {
    let compose: Value = serde_saphyr::from_str(&read("docker-compose.yml")).unwrap();
    let variables = compose["services"]["backend"]["environment"].as_array().unwrap();
    let (set, passed_on): (Vec<_>, Vec<_>) =
        variables.iter().map(|variable| variable.as_str().unwrap()).partition(|variable| variable.contains('='));
    let pairs = set.iter().map(|variable| variable.split_once('=').unwrap());
    assert_server_takes("docker-compose.yml", pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    for name in passed_on {
        flag("docker-compose.yml", name);
    }
}

#[test]
fn the_backend_image_sets_what_the_server_takes() {
    let dockerfile = read("server/Dockerfile");
    let lines = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV "));
    let pairs = lines.flat_map(str::split_whitespace).map(|pair| pair.split_once('=').unwrap());
    let settings: Settings = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert!(settings.contains_key("LISTEN_ADDR"));
    assert_server_takes("server/Dockerfile", settings);
}

#[test]
fn nginx_sends_the_same_content_security_policy_as_the_server() {
    let routes = read("server/src/routes.rs");
    let literal = between(&routes, "const CONTENT_SECURITY_POLICY: &str = \"", "\";").unwrap();
    // A backslash at the end of a line joins it with the next, without that one's indentation.
    let policy: String = literal.split("\\\n").map(str::trim_start).collect();
    let nginx = read("src-ui/nginx.conf");
    assert_eq!(between(&nginx, "Content-Security-Policy \"", "\""), Some(policy.as_str()));
}

#[test]
fn images_carry_the_version_of_the_workspace() {
    let version = env!("CARGO_PKG_VERSION");
    for path in [files("k8s"), vec!["docker-compose.yml".to_owned()]].concat() {
        for line in read(&path).lines().filter(|line| line.contains("image: flotilla-")) {
            assert!(line.ends_with(&format!(":{version}")), "{path}: {} is not version {version}", line.trim());
        }
    }
}

/// The desktop app reads kustomizations itself, and knows no more of them than this.
#[test]
fn kustomizations_compose_and_change_nothing() {
    let allowed = ["apiVersion", "kind", "resources", "components", "images", "configMapGenerator", "generatorOptions"];
    for (path, kustomization) in kustomizations() {
        for key in kustomization.as_object().unwrap().keys() {
            assert!(allowed.contains(&key.as_str()), "{path}: {key} changes objects; make another component instead");
        }
        if !kustomization["configMapGenerator"].is_null() {
            let options = &kustomization["generatorOptions"];
            assert_eq!(options["disableNameSuffixHash"], true, "{path}: an object is called the same everywhere");
            let is_for_both = path.starts_with("k8s/components/observability/");
            assert!(is_for_both, "{path}: generate only from files that docker-compose.yml mounts, too");
        }
    }
}

#[test]
fn every_manifest_is_part_of_an_overlay() {
    let kustomizations: BTreeMap<_, _> = kustomizations().into_iter().collect();
    let mut reached = BTreeSet::new();
    let overlays = kustomizations.keys().filter(|path| path.starts_with("k8s/overlays/"));
    let mut next: Vec<_> = overlays.cloned().collect();
    while let Some(path) = next.pop() {
        let kustomization = kustomizations.get(&path).unwrap_or_else(|| panic!("{path} does not exist"));
        if !reached.insert(path.clone()) {
            continue;
        }
        for entry in entries(kustomization) {
            let entry = normal(&Path::new(&path).parent().unwrap().join(entry));
            match entry.ends_with(".yaml") {
                true => drop(reached.insert(entry)),
                false => next.push(format!("{entry}/kustomization.yaml")),
            }
        }
    }
    let there: BTreeSet<_> =
        objects().into_iter().map(|(path, _)| path).chain(kustomizations.keys().cloned()).collect();
    assert_eq!(there.difference(&reached).collect::<Vec<_>>(), [""; 0], "no overlay has these");
    assert_eq!(reached.difference(&there).collect::<Vec<_>>(), [""; 0], "these are listed and not there");
}

#[test]
fn every_object_says_whose_it_is_and_where_it_belongs() {
    for (path, object) in objects() {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["app.kubernetes.io/part-of"], "flotilla", "{path}");
        let expected = match object["kind"].as_str().unwrap() {
            kind if CLUSTER_WIDE.contains(&kind) => Value::Null,
            // Kubernetes' own Role, which it gives, is there.
            "RoleBinding" if object["roleRef"]["name"] == "extension-apiserver-authentication-reader" => {
                Value::from("kube-system")
            }
            _ => Value::from("llm-as-a-service"),
        };
        assert_eq!(metadata["namespace"], expected, "{path}");
    }
}

fn assert_server_takes(place: &str, settings: Settings) {
    assert!(!settings.is_empty(), "{place} sets nothing");
    let flags = settings.iter().map(|(name, value)| format!("--{}={value}", flag(place, name)));
    let command = flotilla::Config::augment_args(clap::Command::new("flotilla"));
    let taken = command.try_get_matches_from(std::iter::once("flotilla".to_owned()).chain(flags));
    assert!(taken.is_ok(), "{place}: {}", taken.unwrap_err());
}

/// The flag of a setting.
fn flag(place: &str, name: &str) -> String {
    let command = flotilla::Config::augment_args(clap::Command::new("flotilla"));
    let setting = command.get_arguments().find(|setting| setting.get_env().is_some_and(|variable| variable == name));
    let setting = setting.unwrap_or_else(|| panic!("{place}: the server has no setting {name}"));
    setting.get_long().unwrap().to_owned()
}

fn backend_container(deployment: &Value) -> Option<&Value> {
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array()?;
    containers
        .iter()
        .find(|container| container["image"].as_str().is_some_and(|image| image.starts_with("flotilla-backend:")))
}

/// Every object of `k8s/` with the file that holds it.
fn objects() -> Vec<(String, Value)> {
    let documents = manifests().filter(|(_, document)| document["metadata"]["name"].is_string());
    let objects: Vec<_> = documents.collect();
    assert!(!objects.is_empty());
    objects
}

fn kustomizations() -> Vec<(String, Value)> {
    manifests().filter(|(path, _)| path.ends_with("/kustomization.yaml")).collect()
}

/// Reading also shows that a file holds one document.
fn manifests() -> impl Iterator<Item = (String, Value)> {
    files("k8s").into_iter().filter(|path| path.ends_with(".yaml")).map(|path| {
        let document = serde_saphyr::from_str(&read(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        (path, document)
    })
}

fn of_kind<'objects>(
    objects: &'objects [(String, Value)],
    kind: &'static str,
) -> impl Iterator<Item = (&'objects str, &'objects Value)> {
    objects.iter().filter(move |(_, object)| object["kind"] == kind).map(|(path, object)| (path.as_str(), object))
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn entries(kustomization: &Value) -> Vec<String> {
    let lists = ["resources", "components"].into_iter().filter_map(|key| kustomization[key].as_array());
    lists.flatten().map(|entry| entry.as_str().unwrap().to_owned()).collect()
}

/// The path without `..`.
fn normal(path: &Path) -> String {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(normal.pop()),
            component => normal.push(component),
        }
    }
    normal.to_str().unwrap().to_owned()
}
