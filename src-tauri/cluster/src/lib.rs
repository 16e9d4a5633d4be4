//! Flotilla on Kubernetes: deploy it, watch it scale, act on it. No Tauri in here, so its tests run anywhere.
//!
//! Invariant: nothing runs a program that a kubeconfig names before the user has agreed to that very command.

mod connection;
mod error;
mod exec_consent;
mod kubeconfig;
mod state_file;

pub use self::{
    connection::{Cluster, NAMESPACE},
    error::{Error, ErrorKind, Result},
    exec_consent::{ExecConsent, ExecPlugin},
};
