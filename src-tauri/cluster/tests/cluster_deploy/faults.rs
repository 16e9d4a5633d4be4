//! What goes wrong in the middle: each time a sentence, and resuming finishes the deploy.

use flotilla_cluster::{
    Cluster, ErrorKind, ExecConsent, Overlay,
    plan::{CheckStatus, Consent, Images, StepId, WaitingFor},
};
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    core::v1::{ConfigMap, Namespace, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    config::Kubeconfig,
};
use serde_json::json;

use crate::{
    proxy::Proxy,
    support::{Site, agree, applied, create_namespace, failed, kubeconfig, namespace_is_gone, on_a_new_site, until},
};

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_waited_for() {
    on_a_new_site("deleted", async |site| {
        create_namespace(&site).await;
        let held = json!({"metadata": {"name": "held", "finalizers": ["flotilla.test/held"]}});
        let held: ConfigMap = serde_json::from_value(held).unwrap();
        site.config_maps().create(&PostParams::default(), &held).await.unwrap();
        let namespaces: Api<Namespace> = Api::all(site.cluster.client.clone());
        namespaces.delete(&site.cluster.namespace, &DeleteParams::default()).await.unwrap();

        let error = failed(&site.start(), StepId::Preflight).await;
        assert!(error.retryable && error.message.contains("is being deleted. Wait until it is gone"), "{error}");

        let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        site.config_maps().patch("held", &PatchParams::default(), &release).await.unwrap();
        namespace_is_gone(&site).await;
        let resumed = site.resume();
        agree(&resumed).await;
        applied(&resumed).await;
    })
    .await;
}

#[tokio::test]
async fn missing_rights_are_named_before_anything_is_made() {
    on_a_new_site("rights", async |mut site| {
        create_namespace(&site).await;
        let admin = site.cluster.clone();
        let (kubeconfig, context) = visitor(&site).await;
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]);
        let role = json!({"metadata": {"name": "visitor"}, "rules": rules});
        let roles: Api<Role> = Api::namespaced(admin.client.clone(), &admin.namespace);
        roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
        bind(&admin, "visitor", "Role", "visitor").await;
        let consent = ExecConsent::new(site.state_folder());
        let visitor = Cluster::connect(&kubeconfig, Some(&context), &consent).await.unwrap();
        site.cluster = visitor.in_namespace(&admin.namespace);

        let error = failed(&site.start(), StepId::Preflight).await;
        assert!(error.message.contains("create deployments") && error.message.contains("patch ingresses"), "{error}");
        assert!(!error.message.contains("configmaps"), "{error}");
        assert!(site.config_maps().get_opt("backend").await.unwrap().is_none());

        // Rights in the namespace, and still none over the namespace itself.
        bind(&admin, "visitor-admin", "ClusterRole", "admin").await;
        let resumed = site.resume();
        let plan = agree(&resumed).await;
        let rights = plan.checks.iter().find(|check| check.name == "rights").unwrap();
        assert_eq!(rights.status, CheckStatus::Warning, "{rights:?}");
        assert!(plan.changes.iter().all(|change| change.kind != "Namespace"));
        applied(&resumed).await;
    })
    .await;
}

#[tokio::test]
async fn the_right_to_delete_is_asked_for_where_something_is_deleted() {
    on_a_new_site("delete", async |mut site| {
        site.options.overlay = Overlay::OllamaHost;
        site.apply().await;
        let admin = site.cluster.clone();
        let (kubeconfig, context) = visitor(&site).await;
        let verbs = ["get", "list", "watch", "create", "patch"];
        let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": verbs}]);
        let role = json!({"metadata": {"name": "visitor"}, "rules": rules});
        let roles: Api<Role> = Api::namespaced(admin.client.clone(), &admin.namespace);
        roles.create(&PostParams::default(), &serde_json::from_value(role).unwrap()).await.unwrap();
        bind(&admin, "visitor", "Role", "visitor").await;
        let consent = ExecConsent::new(site.state_folder());
        let visitor = Cluster::connect(&kubeconfig, Some(&context), &consent).await.unwrap();
        // Who may not ask the cluster which one it is has been told.
        let visitor = Cluster { identity: admin.identity.clone(), ..visitor };
        site.cluster = visitor.in_namespace(&admin.namespace);

        // The same again deletes nothing.
        applied(&site.start()).await;
        site.options.overlay = Overlay::K3d;
        let error = failed(&site.start(), StepId::Preflight).await;
        assert!(error.message.contains("You may not delete "), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_named() {
    on_a_new_site("image", async |mut site| {
        site.options.images = Images::Registry { prefix: "127.0.0.1:9/flotilla".to_owned() };
        let deployment = site.start();
        agree(&deployment).await;

        let error = failed(&deployment, StepId::Rollout).await;

        assert!(error.retryable && error.message.contains("127.0.0.1:9/flotilla/flotilla-"), "{error}");
        assert!(error.message.contains("Mend that, then resume"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn an_api_server_that_goes_away_in_the_middle_is_gone_on_with() {
    on_a_new_site("away", async |mut site| {
        let (proxy, behind) = behind_a_proxy(&site).await;
        site.cluster = behind;
        let deployment = site.start();
        until(&deployment, "the changes are shown", |plan| plan.waiting_for == Some(WaitingFor::Apply)).await;

        let stopped = proxy.stop().await;
        deployment.consent(Consent::Apply).unwrap();
        let error = failed(&deployment, StepId::Apply).await;
        assert_eq!((error.kind, error.retryable), (ErrorKind::ClusterUnreachable, true));
        assert!(error.message.contains("The API server does not answer"), "{error}");

        let _proxy = stopped.start().await;
        // What was agreed to is not asked again.
        let plan = applied(&site.resume()).await;
        assert!(plan.waiting_for.is_none());
        assert!(site.config_maps().get_opt("backend").await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_never_answers_says_so_at_once() {
    on_a_new_site("never", async |mut site| {
        let (proxy, behind) = behind_a_proxy(&site).await;
        let stopped = proxy.stop().await;
        site.cluster = behind;

        let error = failed(&site.start(), StepId::Preflight).await;
        assert!(error.message.contains("The API server does not answer"), "{error}");

        let _proxy = stopped.start().await;
        agree(&site.resume()).await;
    })
    .await;
}

#[tokio::test]
async fn a_plan_is_not_resumed_on_another_cluster() {
    on_a_new_site("other", async |mut site| {
        let deployment = site.start();
        until(&deployment, "the changes are shown", |plan| plan.waiting_for.is_some()).await;
        drop(deployment);
        site.cluster.context = "another".to_owned();

        let refused = flotilla_cluster::plan::Deployment::resume(Some(site.cluster.clone()), site.settings.clone());

        assert_eq!(refused.err().unwrap().kind, ErrorKind::Conflict);
    })
    .await;
}

/// The same cluster through a proxy that can be stopped.
async fn behind_a_proxy(site: &Site) -> (Proxy, Cluster) {
    let mut config = Kubeconfig::read_from(kubeconfig()).unwrap();
    let name = config.current_context.clone().unwrap();
    let cluster = config.clusters[0].cluster.as_mut().unwrap();
    let server: url::Url = cluster.server.as_deref().unwrap().parse().unwrap();
    let host = server.host_str().unwrap();
    let proxy = Proxy::to(&format!("{host}:{}", server.port_or_known_default().unwrap())).await;
    cluster.server = Some(format!("https://{}", proxy.address()));
    cluster.tls_server_name = Some(host.to_owned());
    let file = site.state_folder().join("proxied.yaml");
    std::fs::write(&file, serde_saphyr::to_string(&config).unwrap()).unwrap();
    let consent = ExecConsent::new(site.state_folder());
    let cluster = Cluster::connect(&file, Some(&name), &consent).await.unwrap();
    (proxy, cluster.in_namespace(&site.cluster.namespace))
}

/// A kubeconfig of somebody without any rights.
async fn visitor(site: &Site) -> (std::path::PathBuf, String) {
    let accounts: Api<ServiceAccount> = Api::namespaced(site.cluster.client.clone(), &site.cluster.namespace);
    let account = serde_json::from_value(json!({"metadata": {"name": "visitor"}})).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let request: TokenRequest =
        serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 3600}})).unwrap();
    let token = accounts.create_token_request("visitor", &PostParams::default(), &request).await.unwrap();
    let mut config = serde_json::to_value(Kubeconfig::read_from(kubeconfig()).unwrap()).unwrap();
    config["users"][0]["user"] = json!({"token": token.status.unwrap().token});
    let context = config["current-context"].as_str().unwrap().to_owned();
    let file = site.state_folder().join("visitor.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    (file, context)
}

async fn bind(admin: &Cluster, name: &str, kind: &str, role: &str) {
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "visitor", "namespace": admin.namespace}],
    });
    let bindings: Api<RoleBinding> = Api::namespaced(admin.client.clone(), &admin.namespace);
    bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
}
