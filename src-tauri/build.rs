use tauri_build::{AppManifest, Attributes};

/// Commands that a capability can allow; without this list every page could call all of them.
const COMMANDS: &[&str] = &["connection", "set_server", "open_external"];

fn main() {
    // The page is compiled into the program.
    println!("cargo:rerun-if-changed=../src-ui/dist-desktop");
    let attributes =
        Attributes::new().config_path("../tauri.conf.json").app_manifest(AppManifest::new().commands(COMMANDS));
    tauri_build::try_build(attributes).expect("tauri-build");
}
