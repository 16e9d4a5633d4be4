//! What is shown before it is applied, who owns a field, and the ways back.

use flotilla_cluster::{
    Action, ErrorKind, Overlay,
    plan::{Consent, StepId, StepStatus, WaitingFor, last_plan},
    teardown, undo,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{PersistentVolumeClaim, Pod},
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::support::{agree, applied, change, on_a_new_site, until};

#[tokio::test]
async fn everything_is_shown_as_new_and_nothing_is_made_before_consent() {
    on_a_new_site("consent", async |site| {
        let deployment = site.start();
        let plan = until(&deployment, "the changes are shown", |plan| plan.waiting_for.is_some()).await;

        assert!(plan.changes.iter().all(|change| change.action == Action::Create), "{:#?}", plan.changes);
        assert!(change(&plan.changes, "Deployment", "backend").diff.as_ref().unwrap().contains("+  name: backend"));
        let secret = change(&plan.changes, "Secret", "postgres").diff.clone().unwrap();
        assert!(secret.contains("(hidden, "), "{secret}");
        assert!(site.config_maps().get_opt("backend").await.unwrap().is_none());

        deployment.consent(Consent::Refuse).unwrap();
        let plan = deployment.finished().await;
        assert!(plan.step(StepId::Diff).error.as_ref().unwrap().message.contains("nothing was changed"));
        assert!(site.config_maps().get_opt("backend").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn applying_again_changes_nothing_and_asks_nothing() {
    on_a_new_site("again", async |site| {
        site.apply().await;

        let plan = applied(&site.start()).await;

        let changed: Vec<_> = plan.changes.iter().filter(|change| change.action != Action::Same).collect();
        assert!(changed.is_empty(), "{changed:#?}");
        assert_eq!(plan.step(StepId::Apply).status, StepStatus::Done);
    })
    .await;
}

#[tokio::test]
async fn a_field_of_somebody_else_is_taken_over_on_the_second_consent_only() {
    on_a_new_site("conflict", async |site| {
        site.apply().await;
        let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "backend"}, "data": {"MAX_CONTEXT_MESSAGES": "7"}});
        let somebody = PatchParams::apply("somebody").force();
        site.config_maps().patch("backend", &somebody, &Patch::Apply(&theirs)).await.unwrap();
        let setting = async || site.config_maps().get("backend").await.unwrap().data.unwrap()["MAX_CONTEXT_MESSAGES"].clone();

        let deployment = site.start();
        let shown = agree(&deployment).await;
        let conflict = change(&shown.changes, "ConfigMap", "backend").conflict.clone().unwrap();
        assert!(conflict.contains(".data.MAX_CONTEXT_MESSAGES belongs to somebody"), "{conflict}");
        until(&deployment, "it asks a second time", |plan| plan.waiting_for == Some(WaitingFor::Force)).await;
        assert_eq!(setting().await, "7");
        assert!(deployment.consent(Consent::Apply).is_err());

        deployment.consent(Consent::Force).unwrap();
        applied(&deployment).await;
        assert_eq!(setting().await, "20");
    })
    .await;
}

#[tokio::test]
async fn a_field_that_is_taken_after_the_question_is_asked_about_anew() {
    on_a_new_site("later", async |site| {
        site.apply().await;
        let take = async |map: &str, key: &str| {
            let theirs =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": map}, "data": {key: "7"}});
            site.config_maps()
                .patch(map, &PatchParams::apply("somebody").force(), &Patch::Apply(&theirs))
                .await
                .unwrap();
        };
        take("backend", "MAX_CONTEXT_MESSAGES").await;
        let deployment = site.start();
        agree(&deployment).await;
        until(&deployment, "it asks a second time", |plan| plan.waiting_for == Some(WaitingFor::Force)).await;
        let engine = site.config_maps().get("engine").await.unwrap().data.unwrap();
        let key = engine.keys().next().unwrap();

        take("engine", key).await;
        deployment.consent(Consent::Force).unwrap();

        let about = |plan: &flotilla_cluster::plan::Plan| {
            let detail = plan.step(StepId::Apply).detail.clone().unwrap_or_default();
            plan.waiting_for == Some(WaitingFor::Force) && detail.contains("ConfigMap engine. Take them over?")
        };
        until(&deployment, "it asks about the new one", about).await;
        assert_eq!(site.config_maps().get("engine").await.unwrap().data.unwrap()[key], "7");
        assert_eq!(site.config_maps().get("backend").await.unwrap().data.unwrap()["MAX_CONTEXT_MESSAGES"], "20");
        deployment.consent(Consent::Force).unwrap();
        applied(&deployment).await;
        assert_eq!(site.config_maps().get("engine").await.unwrap().data.unwrap(), engine);

        // Who owns what is another question on the next day.
        take("backend", "MAX_CONTEXT_MESSAGES").await;
        let again = site.start();
        agree(&again).await;
        until(&again, "it asks again", |plan| plan.waiting_for == Some(WaitingFor::Force)).await;
    })
    .await;
}

#[tokio::test]
async fn refusing_to_take_over_leaves_the_field_and_can_be_decided_again() {
    on_a_new_site("refuse", async |site| {
        site.apply().await;
        let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "backend"}, "data": {"LOG_FORMAT": "text"}});
        site.config_maps().patch("backend", &PatchParams::apply("somebody").force(), &Patch::Apply(&theirs)).await.unwrap();

        let deployment = site.start();
        agree(&deployment).await;
        until(&deployment, "it asks a second time", |plan| plan.waiting_for == Some(WaitingFor::Force)).await;
        deployment.consent(Consent::Refuse).unwrap();
        let plan = deployment.finished().await;
        assert!(plan.step(StepId::Apply).error.as_ref().unwrap().message.contains("left ConfigMap backend to its owner"));
        assert_eq!(site.config_maps().get("backend").await.unwrap().data.unwrap()["LOG_FORMAT"], "text");

        let again = site.resume();
        until(&again, "it asks again", |plan| plan.waiting_for == Some(WaitingFor::Force)).await;
    })
    .await;
}

#[tokio::test]
async fn undo_goes_back_to_the_deploy_before() {
    on_a_new_site("undo", async |mut site| {
        site.apply().await;
        let only_one = undo::preview(&site.cluster, site.state_folder()).await.unwrap_err();
        assert_eq!(only_one.kind, ErrorKind::NotFound);
        let engine = async |site: &crate::support::Site| site.config_maps().get("engine").await.unwrap().data.unwrap();
        let before = engine(&site).await;
        site.options.overlay = Overlay::OllamaHost;
        site.apply().await;
        assert_ne!(engine(&site).await, before);

        let preview = undo::preview(&site.cluster, site.state_folder()).await.unwrap();
        let diff = change(&preview, "ConfigMap", "engine").diff.clone().unwrap();
        assert!(diff.contains("-  OLLAMA_URL"), "{diff}");
        undo::run(&site.cluster, site.state_folder()).await.unwrap();

        assert_eq!(engine(&site).await, before);
        assert!(undo::run(&site.cluster, site.state_folder()).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn another_overlay_deletes_what_only_the_old_one_had() {
    on_a_new_site("prune", async |mut site| {
        site.options.overlay = Overlay::OllamaHost;
        let first = site.apply().await;
        site.options.overlay = Overlay::K3d;

        let deployment = site.start();
        let shown = agree(&deployment).await;
        applied(&deployment).await;

        let deleted: Vec<_> = shown.changes.iter().filter(|change| change.action == Action::Delete).collect();
        assert!(!deleted.is_empty(), "{:#?}", first.changes);
        let again = applied(&site.start()).await;
        assert!(again.changes.iter().all(|change| change.action == Action::Same), "{:#?}", again.changes);
    })
    .await;
}

#[tokio::test]
async fn teardown_removes_what_it_named_and_keeps_the_volume() {
    on_a_new_site("teardown", async |site| {
        site.apply().await;
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(site.cluster.client.clone(), &site.cluster.namespace);
        let claim = kube::runtime::wait::await_condition(claims.clone(), "data-postgres-0", |claim: Option<&_>| {
            claim.is_some()
        });
        claim.await.unwrap();
        let theirs = serde_json::from_value(json!({"metadata": {"name": "theirs"}})).unwrap();
        site.config_maps().create(&Default::default(), &theirs).await.unwrap();
        let theirs = json!({"metadata": {"name": "theirs"}, "spec": {"storageClassName": "", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Ti"}}}});
        claims.create(&Default::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();

        let preview = teardown::preview(&site.cluster).await.unwrap();
        let removed: Vec<_> = preview.remove.iter().map(|object| format!("{} {}", object.kind, object.name)).collect();
        for expected in ["Deployment backend", "StatefulSet postgres", "Secret postgres", "Ingress flotilla"] {
            assert!(removed.iter().any(|object| object == expected), "{expected} is not in {removed:?}");
        }
        let kept: Vec<_> =
            preview.keep.iter().map(|kept| format!("{} {}", kept.object.kind, kept.object.name)).collect();
        assert_eq!(
            kept,
            [
                "PersistentVolumeClaim data-postgres-0".to_owned(),
                "PersistentVolumeClaim theirs".to_owned(),
                format!("Namespace {}", site.cluster.namespace)
            ]
        );
        let holds_chats = |kept: &&teardown::Kept| kept.why.contains("It holds the chats");
        assert_eq!(preview.keep.iter().filter(holds_chats).count(), 1);

        teardown::run(&site.cluster, site.state_folder()).await.unwrap();

        assert!(teardown::preview(&site.cluster).await.unwrap().remove.is_empty());
        let pods: Api<Pod> = Api::namespaced(site.cluster.client.clone(), &site.cluster.namespace);
        assert!(pods.list(&ListParams::default()).await.unwrap().items.is_empty());
        assert!(claims.get_opt("data-postgres-0").await.unwrap().is_some());
        let left = site.config_maps().list(&ListParams::default()).await.unwrap();
        assert!(left.items.iter().any(|map| map.metadata.name.as_deref() == Some("theirs")));
        teardown::run(&site.cluster, site.state_folder()).await.unwrap();
        assert!(last_plan(&site.settings).unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_rollout_of_what_was_deleted_meanwhile_is_applied_again() {
    on_a_new_site("gone", async |site| {
        site.apply().await;
        let deployments: Api<Deployment> = Api::namespaced(site.cluster.client.clone(), &site.cluster.namespace);
        deployments.delete("backend", &Default::default()).await.unwrap();

        let resumed = site.resume();
        let shown = agree(&resumed).await;
        applied(&resumed).await;

        assert_eq!(change(&shown.changes, "Deployment", "backend").action, Action::Create);
        assert!(deployments.get_opt("backend").await.unwrap().is_some());
    })
    .await;
}
