//! What the page follows: each is a stream that lasts until `cluster_unsubscribe`, or until the page is gone.

use flotilla_cluster::{
    Result,
    drill::{self, DrillOptions, DrillReport},
    live::{self, LiveOptions, LiveUpdate},
    load::{self, LoadOptions, LoadUpdate},
    logs::{self, LogLine, LogQuery},
};
use tauri::{State, ipc::Channel};

use crate::fleet::Fleet;

/// The cluster as it changes.
#[tauri::command]
pub async fn cluster_watch(on_update: Channel<LiveUpdate>, fleet: State<'_, Fleet>) -> Result<String> {
    let cluster = fleet.cluster().await?;
    let options = LiveOptions { state_folder: fleet.state_folder().to_owned(), url: fleet.url(&cluster) };
    let watch = |updates| async move {
        live::follow(cluster, options, updates).await;
        Ok(())
    };
    fleet.subscriptions.start(on_update, watch).await
}

#[tauri::command]
pub async fn cluster_logs(query: LogQuery, on_lines: Channel<Vec<LogLine>>, fleet: State<'_, Fleet>) -> Result<String> {
    let cluster = fleet.cluster().await?;
    let read = |lines| async move { logs::read(&cluster, query, lines).await };
    fleet.subscriptions.start(on_lines, read).await
}

/// Many chats at once against the deployed address.
#[tauri::command]
pub async fn cluster_load(
    options: LoadOptions,
    on_update: Channel<LoadUpdate>,
    fleet: State<'_, Fleet>,
) -> Result<String> {
    fleet.subscriptions.start(on_update, |updates| load::run(options, updates)).await
}

/// Kill a pod while it answers, and tell what that cost.
#[tauri::command]
pub async fn cluster_drill(
    options: DrillOptions,
    on_update: Channel<DrillReport>,
    fleet: State<'_, Fleet>,
) -> Result<String> {
    let cluster = fleet.cluster().await?;
    let run = |reports| async move { drill::run(&cluster, options, reports).await };
    fleet.subscriptions.start(on_update, run).await
}

#[tauri::command]
pub async fn cluster_unsubscribe(id: String, fleet: State<'_, Fleet>) -> Result<()> {
    fleet.subscriptions.stop(&id);
    Ok(())
}
