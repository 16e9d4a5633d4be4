//! Deploying to a real cluster: whatever `KUBECONFIG` names, as its administrator.
//!
//! Each test has a namespace of its own. `install` alone starts Flotilla's pods, whose images must be in the nodes; its
//! Ingress must be reached on this machine's port 80.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod changes;
mod faults;
mod install;
mod k3d;
mod proxy;
mod support;
