//! What one would type instead of each step.

use super::{DeployOptions, Images, StepId, Target};
use crate::{
    apply::FIELD_MANAGER,
    images::{Image, build_line},
    k3d,
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
        (Target::Context, Some(context)) => format!("kubectl --context {context}"),
        (Target::Context, None) => "kubectl".to_owned(),
    };
    let overlay = options.overlay.folder();
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
        StepId::Probe => format!("curl --fail {}/health", options.url.trim_end_matches('/')),
    }
}

fn images(options: &DeployOptions) -> Vec<String> {
    let names = Image::ALL.map(Image::name).join(" ");
    match (&options.images, &options.target) {
        (Images::Registry { prefix }, _) => {
            Image::ALL.iter().map(|image| format!("docker pull {prefix}/{}", image.name())).collect()
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
