//! What needs no cluster: kubeconfigs from strangers, the manifests, k3d's command, and plans on disk.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod commands;
mod contexts;
mod fake_cluster;
mod hostile_kubeconfigs;
mod images;
mod k3d_plan;
mod laptop;
mod manifests;
mod mending;
mod other_cluster;
mod support;
