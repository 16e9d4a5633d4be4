//! What the page follows: each is a stream that lasts until `cluster_unsubscribe`, or until the page is gone.

use flotilla_cluster::{
    Result,
    drill::{self, DrillOptions, DrillReport},
    live::{self, LiveOptions, LiveUpdate},
    load::{self, LoadOptions, LoadUpdate},
    logs::{self, LogLine, LogQuery},
};
use tauri::{AppHandle, Manager, State, ipc::Channel};
use tokio::sync::watch;

use crate::{fleet::Fleet, subscriptions::StreamMessage};

/// The cluster as it changes.
#[tauri::command]
pub async fn cluster_watch(
    on_update: Channel<StreamMessage<LiveUpdate>>,
    app: AppHandle,
    fleet: State<'_, Fleet>,
) -> Result<String> {
    // What has changed since the panel was open last may be the kubeconfig.
    fleet.disconnect().await;
    let cluster = fleet.cluster().await?;
    let (address, url) = watch::channel(None);
    let options = LiveOptions { state_folder: fleet.state_folder().to_owned(), url };
    let tell_address = {
        let (cluster, mut moves) = (cluster.clone(), fleet.moves());
        async move {
            loop {
                address.send_replace(app.state::<Fleet>().url(&cluster).await);
                if moves.changed().await.is_err() {
                    return;
                }
            }
        }
    };
    let watch = |updates| async move {
        tokio::select! {
            () = live::follow(cluster, options, updates) => {}
            () = tell_address => {}
        }
        Ok(())
    };
    Ok(fleet.subscriptions.start(on_update, watch))
}

#[tauri::command]
pub async fn cluster_logs(
    query: LogQuery,
    on_lines: Channel<StreamMessage<Vec<LogLine>>>,
    fleet: State<'_, Fleet>,
) -> Result<String> {
    let cluster = fleet.cluster().await?;
    let read = |lines| async move { logs::read(&cluster, query, lines).await };
    Ok(fleet.subscriptions.start(on_lines, read))
}

/// Many chats at once against the deployed address.
#[tauri::command]
pub async fn cluster_load(
    options: LoadOptions,
    on_update: Channel<StreamMessage<LoadUpdate>>,
    fleet: State<'_, Fleet>,
) -> Result<String> {
    Ok(fleet.subscriptions.start(on_update, |updates| load::run(options, updates)))
}

/// Kill a pod while it answers, and tell what that cost.
#[tauri::command]
pub async fn cluster_drill(
    options: DrillOptions,
    on_update: Channel<StreamMessage<DrillReport>>,
    fleet: State<'_, Fleet>,
) -> Result<String> {
    let cluster = fleet.cluster().await?;
    let run = |reports| async move { drill::run(&cluster, options, reports).await };
    Ok(fleet.subscriptions.start(on_update, run))
}

#[tauri::command]
pub async fn cluster_unsubscribe(id: String, fleet: State<'_, Fleet>) -> Result<()> {
    fleet.subscriptions.stop(&id);
    Ok(())
}
