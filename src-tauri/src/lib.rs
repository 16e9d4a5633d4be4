//! The desktop window: Tauri around the server and its UI.
//!
//! The page talks HTTP to a port on loopback, as it does in a browser. Behind the port is either the server itself
//! ([`embedded`]) or a way through to a server elsewhere ([`remote`]); [`server_choice`] says which. [`commands`] are
//! the few things that the page asks the shell itself for, and [`window`] is what the page cannot get out of. [`fleet`] is
//! what the Cluster tab has open.
//!
//! Invariant: this crate knows nothing of chats, models or Kubernetes. What is worth a feature lives in the server, in
//! `flotilla-cluster` or in the UI.

pub mod commands;
pub mod embedded;
pub mod error;
pub mod fleet;
pub mod loopback;
pub mod remote;
pub mod server_choice;
pub mod server_url;
mod settings;
pub mod subscriptions;
mod webkit;
mod window;

use anyhow::ensure;
use flotilla::{config::LogFormat, shutdown, telemetry};
use tauri::{Manager, RunEvent, async_runtime};
use tauri_plugin_window_state::StateFlags;

use crate::{fleet::Fleet, server_choice::ServerChoice, settings::SettingsFile};

/// Open the window and stay until it is closed.
#[expect(clippy::disallowed_methods, reason = "Tauri's own macro ends the program when the page in it is damaged")]
pub fn run() -> anyhow::Result<()> {
    ensure!(has_display(), "there is no display to open a window on; `flotilla serve` answers a browser instead");
    webkit::prefer_shared_memory();
    telemetry::init_logs(LogFormat::Text);

    let window_state = StateFlags::SIZE | StateFlags::POSITION | StateFlags::MAXIMIZED | StateFlags::FULLSCREEN;
    let app = tauri::Builder::default()
        // First, so that a second start ends before it has opened anything.
        .plugin(tauri_plugin_single_instance::init(|app, _arguments, _folder| window::bring_to_front(app)))
        .plugin(tauri_plugin_window_state::Builder::new().with_state_flags(window_state).build())
        .invoke_handler(tauri::generate_handler![
            commands::connection,
            commands::set_server,
            commands::open_external,
            commands::cluster::cluster_contexts,
            commands::cluster::cluster_add_kubeconfig,
            commands::cluster::cluster_choose,
            commands::cluster::cluster_trust,
            commands::cluster::cluster_yaml,
            commands::cluster::cluster_preview,
            commands::cluster::cluster_act,
            commands::cluster::cluster_forwards,
            commands::cluster::cluster_forward_stop,
            commands::cluster::cluster_limits,
            commands::deploy::cluster_default_options,
            commands::deploy::cluster_plan,
            commands::deploy::cluster_deploy,
            commands::deploy::cluster_resume,
            commands::deploy::cluster_consent,
            commands::deploy::cluster_cancel,
            commands::deploy::cluster_teardown_preview,
            commands::deploy::cluster_teardown,
            commands::deploy::cluster_undo_preview,
            commands::deploy::cluster_undo,
            commands::deploy::cluster_k3d_stop,
            commands::deploy::cluster_k3d_start,
            commands::streams::cluster_watch,
            commands::streams::cluster_logs,
            commands::streams::cluster_load,
            commands::streams::cluster_drill,
            commands::streams::cluster_unsubscribe,
        ])
        .setup(|app| {
            let settings = SettingsFile::new(app.path().app_config_dir()?.join("settings.json"));
            app.manage(ServerChoice::new(settings));
            app.manage(Fleet::new(app.path().app_data_dir()?.join("cluster")));
            start_server(app.handle().clone());
            quit_on_signal(app.handle().clone());
            window::open(app.handle())?;
            Ok(())
        })
        .build(tauri::generate_context!("../tauri.conf.json"))?;

    app.run(|app, event| {
        if let RunEvent::Exit = event {
            async_runtime::block_on(async {
                app.state::<Fleet>().close().await;
                app.state::<ServerChoice>().stop().await;
            });
        }
    });
    Ok(())
}

/// The server starts while the page loads; the page then waits for it in [`commands::connection`].
fn start_server(app: tauri::AppHandle) {
    async_runtime::spawn(async move {
        if let Err(error) = app.state::<ServerChoice>().connection().await {
            tracing::error!(error.message, "the server cannot be started");
        }
    });
}

/// SIGTERM ends the app as closing its window does.
fn quit_on_signal(app: tauri::AppHandle) {
    async_runtime::spawn(async move {
        shutdown::signal().await;
        app.exit(0);
    });
}

fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !cfg!(target_os = "linux") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
