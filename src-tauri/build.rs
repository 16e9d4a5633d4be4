use tauri_build::{AppManifest, Attributes};

/// Commands that a capability can allow; without this list every page could call all of them.
const COMMANDS: &[&str] = &[
    "connection",
    "set_server",
    "open_external",
    "cluster_contexts",
    "cluster_add_kubeconfig",
    "cluster_choose",
    "cluster_trust",
    "cluster_yaml",
    "cluster_preview",
    "cluster_act",
    "cluster_forwards",
    "cluster_forward_stop",
    "cluster_limits",
    "cluster_default_options",
    "cluster_plan",
    "cluster_deploy",
    "cluster_resume",
    "cluster_consent",
    "cluster_cancel",
    "cluster_teardown_preview",
    "cluster_teardown",
    "cluster_undo_preview",
    "cluster_undo",
    "cluster_k3d_stop",
    "cluster_k3d_start",
    "cluster_watch",
    "cluster_logs",
    "cluster_load",
    "cluster_drill",
    "cluster_unsubscribe",
];

fn main() {
    // The page is compiled into the program.
    println!("cargo:rerun-if-changed=../src-ui/dist-desktop");
    let attributes =
        Attributes::new().config_path("../tauri.conf.json").app_manifest(AppManifest::new().commands(COMMANDS));
    tauri_build::try_build(attributes).expect("tauri-build");
}
