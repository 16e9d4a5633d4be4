//! Flotilla on Kubernetes: deploy it, watch it scale, act on it. No Tauri in here, so its tests run anywhere.
//!
//! [`ContextStore`] knows the kubeconfigs and makes a [`Cluster`]; [`plan::Deployment`] deploys to it in steps, [`undo`] and
//! [`teardown`] go back. [`live`] shows what runs there, [`actions`] change it.
//!
//! Invariant: nothing runs a program that a kubeconfig names before the user has agreed to that very command.

pub mod actions;
mod address;
mod apply;
pub mod autoscaler;
mod command;
mod connection;
mod contexts;
mod diff;
pub mod drill;
mod error;
mod event_stream;
pub mod events;
mod exec_consent;
#[cfg(test)]
mod fake_api;
#[cfg(test)]
mod fake_http;
pub mod forward;
mod identity;
mod images;
mod k3d;
mod kubeconfig;
mod limits;
pub mod live;
pub mod load;
pub mod logs;
mod manifests;
pub mod metrics;
pub mod plan;
pub mod pods;
mod quantity;
mod rights;
pub mod samples;
mod shell;
mod state_file;
pub mod teardown;
pub mod undo;
pub mod workloads;
mod yaml;

pub use self::{
    apply::{Action, Change, ObjectRef},
    command::Programs,
    connection::{Cluster, NAMESPACE},
    contexts::{Context, ContextId, ContextStore, Contexts, FileProblem},
    error::{Error, ErrorKind, Result},
    exec_consent::{ExecConsent, ExecPlugin},
    identity::Identity,
    k3d::K3dName,
    limits::{LIMITS, Limits},
    manifests::{Manifests, Overlay},
    yaml::yaml,
};

/// Stop a k3d cluster. Its pods and volumes stay, and nothing of it uses the processor meanwhile.
pub async fn stop_k3d(name: &K3dName, programs: &Programs) -> Result<()> {
    k3d::K3d { program: &programs.k3d, log: &|_| {} }.stop(name).await
}

/// Start a stopped k3d cluster with everything that was in it.
pub async fn start_k3d(name: &K3dName, programs: &Programs) -> Result<()> {
    k3d::K3d { program: &programs.k3d, log: &|_| {} }.start(name).await
}

/// Delete a k3d cluster with everything in it, volumes too.
pub async fn delete_k3d(name: &K3dName, programs: &Programs) -> Result<()> {
    k3d::K3d { program: &programs.k3d, log: &|_| {} }.delete(name).await
}
