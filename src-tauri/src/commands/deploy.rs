//! Deploying to the chosen cluster or to a k3d cluster of one's own, and going back.

use std::time::Duration;

use flotilla_cluster::{
    Change, K3dName, Result,
    plan::{Consent, DeployOptions, Deployment, Plan, Target},
    teardown::{self, Teardown},
    undo,
};
use tauri::{AppHandle, Manager, State, async_runtime, ipc::Channel};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use crate::{
    fleet::{self, Fleet},
    subscriptions::StreamMessage,
};

/// Between two updates of a plan: a program that prints a lot changes it a thousand times a second.
const PAUSE: Duration = Duration::from_millis(100);

#[tauri::command]
pub async fn cluster_default_options() -> DeployOptions {
    DeployOptions::default()
}

/// The last plan, also of an earlier start of the app.
#[tauri::command]
pub async fn cluster_plan(fleet: State<'_, Fleet>) -> Result<Option<Plan>> {
    fleet.plan()
}

/// Start a new plan.
#[tauri::command]
pub async fn cluster_deploy(
    options: DeployOptions,
    on_update: Channel<StreamMessage<Plan>>,
    app: AppHandle,
    fleet: State<'_, Fleet>,
) -> Result<Plan> {
    let cluster = match options.target {
        Target::Context => Some(fleet.cluster().await?),
        Target::K3d { .. } => None,
    };
    let plan = fleet.begin(|| Deployment::start(options, cluster, fleet.settings.clone()))?;
    attend(plan, app);
    follow(on_update, &fleet)
}

/// Go on where a plan stopped, or show the one that runs.
#[tauri::command]
pub async fn cluster_resume(
    on_update: Channel<StreamMessage<Plan>>,
    app: AppHandle,
    fleet: State<'_, Fleet>,
) -> Result<Plan> {
    if !fleet.with_deployment(|deployment| Ok(fleet::is_under_way(&deployment.plan()))).unwrap_or(false) {
        let needs_cluster = fleet.plan()?.is_some_and(|plan| matches!(plan.options.target, Target::Context));
        let cluster = if needs_cluster { Some(fleet.cluster().await?) } else { None };
        let plan = fleet.begin(|| Deployment::resume(cluster, fleet.settings.clone()))?;
        attend(plan, app);
    }
    follow(on_update, &fleet)
}

/// Answer a plan that waits.
#[tauri::command]
pub async fn cluster_consent(consent: Consent, fleet: State<'_, Fleet>) -> Result<()> {
    fleet.with_deployment(|deployment| deployment.consent(consent))
}

/// Stop a plan; it can be resumed.
#[tauri::command]
pub async fn cluster_cancel(fleet: State<'_, Fleet>) -> Result<()> {
    fleet.with_deployment(|deployment| {
        deployment.cancel();
        Ok(())
    })
}

/// What a teardown would remove and what would stay.
#[tauri::command]
pub async fn cluster_teardown_preview(fleet: State<'_, Fleet>) -> Result<Teardown> {
    teardown::preview(&fleet.cluster().await?).await
}

#[tauri::command]
pub async fn cluster_teardown(fleet: State<'_, Fleet>) -> Result<()> {
    let _turn = fleet.change()?;
    teardown::run(&fleet.cluster().await?, fleet.state_folder()).await?;
    fleet.forget_plan();
    Ok(())
}

/// What going back to the deploy before the last one would change.
#[tauri::command]
pub async fn cluster_undo_preview(fleet: State<'_, Fleet>) -> Result<Vec<Change>> {
    undo::preview(&fleet.cluster().await?, fleet.state_folder()).await
}

#[tauri::command]
pub async fn cluster_undo(fleet: State<'_, Fleet>) -> Result<()> {
    let _turn = fleet.change()?;
    undo::run(&fleet.cluster().await?, fleet.state_folder()).await
}

#[tauri::command]
pub async fn cluster_k3d_stop(name: K3dName, fleet: State<'_, Fleet>) -> Result<()> {
    flotilla_cluster::stop_k3d(&name, &fleet.settings.programs).await
}

#[tauri::command]
pub async fn cluster_k3d_start(name: K3dName, fleet: State<'_, Fleet>) -> Result<()> {
    flotilla_cluster::start_k3d(&name, &fleet.settings.programs).await?;
    fleet.disconnect().await;
    Ok(())
}

/// The plan goes on without a page that looks at it.
fn attend(plan: watch::Receiver<Plan>, app: AppHandle) {
    async_runtime::spawn(async move { app.state::<Fleet>().attend(plan).await });
}

/// Send the running plan to the page whenever it has changed.
fn follow(page: Channel<StreamMessage<Plan>>, fleet: &Fleet) -> Result<Plan> {
    let plan = fleet.with_deployment(|deployment| Ok(deployment.updates()))?;
    let now = plan.borrow().clone();
    fleet.subscriptions.start(page, |updates| send_changes(plan, updates));
    Ok(now)
}

async fn send_changes(mut plan: watch::Receiver<Plan>, updates: mpsc::Sender<Plan>) -> Result<()> {
    loop {
        let now = plan.borrow_and_update().clone();
        let is_over = !fleet::is_under_way(&now);
        if updates.send(now).await.is_err() || is_over {
            return Ok(());
        }
        sleep(PAUSE).await;
        if plan.changed().await.is_err() {
            return Ok(());
        }
    }
}
