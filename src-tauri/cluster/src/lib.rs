//! Flotilla on Kubernetes: deploy it, watch it scale, act on it. No Tauri in here, so its tests run anywhere.
//!
//! Invariant: nothing runs a program that a kubeconfig names before the user has agreed to that very command.

pub mod actions;
pub mod autoscaler;
mod connection;
pub mod drill;
mod error;
mod event_stream;
pub mod events;
mod exec_consent;
#[cfg(test)]
mod fake_http;
pub mod forward;
mod kubeconfig;
pub mod live;
pub mod load;
pub mod logs;
pub mod metrics;
pub mod pods;
mod quantity;
pub mod samples;
mod state_file;
pub mod workloads;

pub use self::{
    connection::{Cluster, NAMESPACE},
    error::{Error, ErrorKind, Result},
    exec_consent::{ExecConsent, ExecPlugin},
};
