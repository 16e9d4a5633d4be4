//! Which cluster, what is in it, and what can be done to it.

use flotilla_cluster::{
    ContextId, Contexts, LIMITS, Limits, ObjectRef, Result,
    actions::{self, Action, Preview},
    forward::{Forward, PortForward},
};
use tauri::{AppHandle, State};
use tokio::sync::oneshot;

use crate::fleet::Fleet;

/// Every context that the kubeconfig files have, and the chosen one.
#[tauri::command]
pub async fn cluster_contexts(fleet: State<'_, Fleet>) -> Result<Contexts> {
    fleet.contexts().await
}

/// Let the user pick another kubeconfig file. Nothing changes when they cancel.
#[tauri::command]
pub async fn cluster_add_kubeconfig(app: AppHandle, fleet: State<'_, Fleet>) -> Result<Contexts> {
    match pick_kubeconfig(&app).await {
        Some(file) => fleet.contexts.add(file.path()),
        None => fleet.contexts.list(),
    }
}

#[tauri::command]
pub async fn cluster_choose(context: Option<ContextId>, fleet: State<'_, Fleet>) -> Result<Contexts> {
    let contexts = fleet.contexts.choose(context)?;
    fleet.disconnect().await;
    Ok(contexts)
}

/// Agree to the program that a context runs to sign in, as it was shown.
#[tauri::command]
pub async fn cluster_trust(context: ContextId, fingerprint: String, fleet: State<'_, Fleet>) -> Result<Contexts> {
    let contexts = fleet.contexts.trust(&context, &fingerprint)?;
    fleet.disconnect().await;
    Ok(contexts)
}

#[tauri::command]
pub async fn cluster_yaml(object: ObjectRef, fleet: State<'_, Fleet>) -> Result<String> {
    flotilla_cluster::yaml(&fleet.cluster().await?, &object).await
}

/// What an action would do, and whether the user may.
#[tauri::command]
pub async fn cluster_preview(action: Action, fleet: State<'_, Fleet>) -> Result<Preview> {
    actions::preview(&fleet.cluster().await?, &action).await
}

#[tauri::command]
pub async fn cluster_act(action: Action, fleet: State<'_, Fleet>) -> Result<()> {
    let opened = actions::act(&fleet.cluster().await?, &action).await?;
    fleet.forwards().extend(opened);
    Ok(())
}

#[tauri::command]
pub async fn cluster_forwards(fleet: State<'_, Fleet>) -> Result<Vec<Forward>> {
    Ok(fleet.forwards().iter().map(PortForward::state).collect())
}

#[tauri::command]
pub async fn cluster_forward_stop(id: String, fleet: State<'_, Fleet>) -> Result<()> {
    fleet.forwards().retain(|forward| forward.state().id != id);
    Ok(())
}

/// The most that a load and a drill take.
#[tauri::command]
pub async fn cluster_limits() -> Limits {
    LIMITS
}

/// GTK's and AppKit's dialogs are opened on the main thread.
async fn pick_kubeconfig(app: &AppHandle) -> Option<rfd::FileHandle> {
    let (sender, dialog) = oneshot::channel();
    let open = move || {
        let dialog = rfd::AsyncFileDialog::new().set_title("Choose a kubeconfig file").pick_file();
        // The receiver waits below.
        let _ = sender.send(dialog);
    };
    if let Err(error) = app.run_on_main_thread(open) {
        tracing::warn!(%error, "the file dialog cannot be opened");
    }
    dialog.await.ok()?.await
}
