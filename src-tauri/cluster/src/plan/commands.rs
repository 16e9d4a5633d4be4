//! What one would type instead of each step.

use super::{DeployOptions, Images, StepId, Target};
use crate::{
    apply::FIELD_MANAGER,
    command,
    images::{Image, build_line},
    k3d,
    shell::quoted,
};

/// What no line of kubectl does. Without quotes and the like, for shells that take no comments.
const BESIDE_APPLYING: &str =
    "# The app also writes the ids of the images onto the pods, and deletes what only its last deploy had.";

pub(super) fn title(step: StepId) -> &'static str {
    match step {
        StepId::Preflight => "Check",
        StepId::Cluster => "Cluster",
        StepId::Images => "Images",
        StepId::Diff => "Compare",
        StepId::Apply => "Apply",
        StepId::Rollout => "Roll out",
        StepId::Probe => "Answer",
    }
}

pub(super) fn line(step: StepId, options: &DeployOptions, context: Option<&str>, namespace: &str) -> String {
    let kubectl = match (&options.target, context) {
        (Target::K3d { name, .. }, _) => format!("kubectl --context k3d-{name}"),
        (Target::Context, Some(context)) => format!("kubectl --context {}", quoted(context)),
        (Target::Context, None) => "kubectl".to_owned(),
    };
    let namespace = quoted(namespace);
    match step {
        StepId::Preflight => match options.target {
            Target::K3d { .. } => "docker version\nk3d version".to_owned(),
            Target::Context => format!("{kubectl} auth can-i create deployments --namespace {namespace}"),
        },
        StepId::Cluster => match &options.target {
            Target::K3d { name, agents, http_port } => {
                format!("k3d {}", k3d::create_arguments(name, *agents, *http_port).join(" "))
            }
            Target::Context => format!("{kubectl} cluster-info"),
        },
        StepId::Images => images(options, &kubectl).join("\n"),
        StepId::Diff => with_manifests(options, &kubectl, "diff"),
        StepId::Apply => format!("{}\n{BESIDE_APPLYING}", with_manifests(options, &kubectl, "apply")),
        StepId::Rollout => ["statefulset/postgres", "deployment/backend", "deployment/frontend"]
            .map(|workload| format!("{kubectl} --namespace {namespace} rollout status {workload}"))
            .join("\n"),
        StepId::Probe => {
            let health = format!("{}/health", options.url.trim_end_matches('/'));
            format!("curl --fail {}", quoted(&health))
        }
    }
}

/// `kubectl VERB` on what the plan applies.
fn with_manifests(options: &DeployOptions, kubectl: &str, verb: &str) -> String {
    let folder = format!("k8s/{}", options.overlay.folder());
    let line = format!("{kubectl} {verb} --server-side --field-manager {FIELD_MANAGER}");
    let Images::Registry { prefix } = &options.images else { return format!("{line} -k {folder}") };
    let mut replacement = String::new();
    for letter in prefix.trim_end_matches('/').chars() {
        // These mean something to sed.
        if matches!(letter, '\\' | '&' | '|') {
            replacement.push('\\');
        }
        replacement.push(letter);
    }
    let prefixed = quoted(&format!("s|image: flotilla-|image: {replacement}/flotilla-|"));
    format!("kubectl kustomize {folder} | sed {prefixed} | {line} --filename -")
}

fn images(options: &DeployOptions, kubectl: &str) -> Vec<String> {
    let names = Image::ALL.map(Image::name);
    match (&options.images, &options.target) {
        (Images::Registry { prefix }, _) => {
            let names = names.map(|name| quoted(&format!("{}/{name}", prefix.trim_end_matches('/'))));
            vec![format!("# Nothing to type. The nodes pull {}", names.join(" and "))]
        }
        (Images::Present, _) => vec![format!("{kubectl} get nodes --output yaml | grep flotilla-")],
        (Images::Build, target) => {
            let mut lines: Vec<_> = Image::ALL.iter().map(|image| build_line(*image)).collect();
            match (target, &options.load_command) {
                (Target::K3d { name, .. }, _) => {
                    lines.push(format!("k3d image import --cluster {name} {}", names.join(" ")));
                }
                (Target::Context, Some(load)) => {
                    let load: Vec<_> = command::words(load).iter().map(|word| quoted(word)).collect();
                    lines.extend(names.map(|name| format!("{} {name}", load.join(" "))));
                }
                (Target::Context, None) => {}
            }
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_else_has_named_gets_loose_in_a_shell() {
        let nasty = "a; rm -rf ~ #";
        let options = DeployOptions {
            target: Target::Context,
            images: Images::Registry { prefix: "$(reboot)".to_owned() },
            url: "http://localhost/$(reboot)".to_owned(),
            ..DeployOptions::default()
        };
        let line = |step| line(step, &options, Some(nasty), nasty);
        let quoted = "--context 'a; rm -rf ~ #'";
        for step in [StepId::Preflight, StepId::Cluster, StepId::Diff, StepId::Apply, StepId::Rollout] {
            let line = line(step);
            let mut commands = line.lines().filter(|line| *line != BESIDE_APPLYING);
            assert!(commands.all(|command| command.contains(quoted)), "{line}");
        }
        assert!(line(StepId::Rollout).contains("--namespace 'a; rm -rf ~ #'"), "{}", line(StepId::Rollout));
        // A shell that does not know comments must find nothing in them either.
        assert!(line(StepId::Images).contains(" '$(reboot)/flotilla-"), "{}", line(StepId::Images));
        assert!(line(StepId::Apply).contains("| sed 's|image: flotilla-|image: $(reboot)/"), "{}", line(StepId::Apply));
        assert_eq!(line(StepId::Probe), "curl --fail 'http://localhost/$(reboot)/health'");
    }
}
