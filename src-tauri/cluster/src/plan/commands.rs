//! What one would type instead of each step.

use super::{DeployOptions, Images, StepId, Target};
use crate::{
    apply::FIELD_MANAGER,
    images::{Image, build_line},
    k3d,
    shell::quoted,
};

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

pub(super) fn command(step: StepId, options: &DeployOptions, context: Option<&str>, namespace: &str) -> String {
    let kubectl = match (&options.target, context) {
        (Target::K3d { name, .. }, _) => format!("kubectl --context k3d-{name}"),
        (Target::Context, Some(context)) => format!("kubectl --context {}", quoted(context)),
        (Target::Context, None) => "kubectl".to_owned(),
    };
    let overlay = options.overlay.folder();
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
        StepId::Images => images(options).join("\n"),
        StepId::Diff => format!("{kubectl} diff --server-side --field-manager {FIELD_MANAGER} -k k8s/{overlay}"),
        StepId::Apply => format!("{kubectl} apply --server-side --field-manager {FIELD_MANAGER} -k k8s/{overlay}"),
        StepId::Rollout => ["statefulset/postgres", "deployment/backend", "deployment/frontend"]
            .map(|workload| format!("{kubectl} --namespace {namespace} rollout status {workload}"))
            .join("\n"),
        StepId::Probe => {
            let health = format!("{}/health", options.url.trim_end_matches('/'));
            format!("curl --fail {}", quoted(&health))
        }
    }
}

fn images(options: &DeployOptions) -> Vec<String> {
    let names = Image::ALL.map(Image::name).join(" ");
    match (&options.images, &options.target) {
        (Images::Registry { prefix }, _) => {
            let name = |image: &Image| quoted(&format!("{}/{}", prefix.trim_end_matches('/'), image.name()));
            Image::ALL.iter().map(|image| format!("docker pull {}", name(image))).collect()
        }
        (Images::Present, _) => vec![format!("docker image inspect {names}")],
        (Images::Build, target) => {
            let mut lines: Vec<_> = Image::ALL.iter().map(|image| build_line(*image)).collect();
            match (target, &options.load_command) {
                (Target::K3d { name, .. }, _) => lines.push(format!("k3d image import --cluster {name} {names}")),
                (Target::Context, Some(load)) => lines.push(format!("{load} {names}")),
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
        let line = |step| command(step, &options, Some(nasty), nasty);
        let quoted = "--context 'a; rm -rf ~ #'";
        for step in [StepId::Preflight, StepId::Cluster, StepId::Diff, StepId::Apply, StepId::Rollout] {
            assert!(line(step).lines().all(|line| line.contains(quoted)), "{}", line(step));
        }
        assert!(line(StepId::Rollout).contains("--namespace 'a; rm -rf ~ #'"), "{}", line(StepId::Rollout));
        assert!(line(StepId::Images).starts_with("docker pull '$(reboot)/flotilla-"), "{}", line(StepId::Images));
        assert_eq!(line(StepId::Probe), "curl --fail 'http://localhost/$(reboot)/health'");
    }
}
