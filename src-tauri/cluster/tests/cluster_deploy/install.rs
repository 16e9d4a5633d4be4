//! From nothing to an answer through the Ingress, with Flotilla's own images.

use flotilla_cluster::plan::{Images, PlanStatus, StepId, last_plan};

use crate::support::{agree, on_a_new_site, until};

#[tokio::test]
async fn an_empty_cluster_becomes_a_service_that_answers() {
    on_a_new_site("install", async |mut site| {
        site.options.images = Images::Present;
        let deployment = site.start();
        agree(&deployment).await;

        // The app is closed while pods start, and opened again.
        until(&deployment, "the rollout is under way", |plan| plan.step(StepId::Rollout).progress.is_some()).await;
        drop(deployment);
        let resumed = site.resume();
        let plan = until(&resumed, "it answers", |plan| plan.status == PlanStatus::Done).await;

        assert_eq!(plan.url.as_deref(), Some(site.options.url.as_str()));
        assert!(plan.steps.iter().all(|step| step.status.is_over() && step.error.is_none()), "{:#?}", plan.steps);
        assert_eq!(last_plan(&site.settings).unwrap().unwrap().status, PlanStatus::Done);
    })
    .await;
}
