//! A context may lead to another cluster than yesterday. What was planned for the one is not done to the other.

use flotilla_cluster::{
    ErrorKind,
    plan::{self, DeployOptions, Deployment, Images, PlanStatus, Settings, StepId, Target, WaitingFor},
};

use crate::fake_cluster::cluster;

#[tokio::test]
async fn a_plan_is_not_resumed_on_another_cluster_behind_the_same_context() {
    let state = tempfile::tempdir().unwrap();
    let settings = Settings::new(state.path());
    let options = DeployOptions { target: Target::Context, images: Images::Present, ..DeployOptions::default() };
    let (first, second) = (cluster("uid-1").await, cluster("uid-2").await);
    assert_eq!(first.context, second.context);

    let deployment = Deployment::start(options, Some(first.clone()), settings.clone()).unwrap();
    let mut updates = deployment.updates();
    updates.wait_for(|plan| plan.waiting_for == Some(WaitingFor::Apply)).await.unwrap();
    drop(deployment);
    assert!(plan::is_for(&first, &settings).await.unwrap() && !plan::is_for(&second, &settings).await.unwrap());

    let refused = Deployment::resume(Some(second), settings.clone()).unwrap().finished().await;
    let error = refused.step(StepId::Diff).error.clone().unwrap();
    assert_eq!((refused.status, error.kind), (PlanStatus::Failed, ErrorKind::Conflict));
    assert!(error.message.contains("another cluster than the one that it leads to now"), "{error}");

    // The right one is asked as before.
    let resumed = Deployment::resume(Some(first), settings).unwrap();
    resumed.updates().wait_for(|plan| plan.waiting_for == Some(WaitingFor::Apply)).await.unwrap();
}
