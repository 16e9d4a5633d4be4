use flotilla_cluster::{
    Cluster, ErrorKind,
    actions::{self, Action},
};
use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding},
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use crate::{
    scope::{config, create, create_web, in_namespace},
    view::View,
};

fn scale(replicas: u32) -> Action {
    Action::Scale { deployment: "backend".to_owned(), replicas }
}

#[tokio::test]
async fn scaling_warns_when_an_autoscaler_owns_the_replicas() {
    in_namespace(|cluster| async move {
        create_web(&cluster, "backend", 1).await;
        let preview = actions::preview(&cluster, &scale(3)).await.unwrap();
        assert_eq!((preview.allowed, &preview.warning), (true, &None));
        assert_eq!(preview.sentences, ["2 pods more of backend start: 1 become 3."]);
        let command =
            format!("kubectl --context test --namespace {} scale deployment/backend --replicas=3", cluster.namespace);
        assert_eq!(preview.command, command);

        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "backend"});
        let spec = json!({"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2});
        create::<HorizontalPodAutoscaler>(&cluster, json!({"metadata": {"name": "backend"}, "spec": spec})).await;
        let warning = actions::preview(&cluster, &scale(3)).await.unwrap().warning.unwrap();
        assert!(warning.starts_with("The autoscaler backend owns the replicas of backend (1 to 2)"), "{warning}");
    })
    .await;
}

#[tokio::test]
async fn scaling_and_restarting_change_the_pods() {
    in_namespace(|cluster| async move {
        let folder = tempfile::tempdir().unwrap();
        create_web(&cluster, "backend", 1).await;
        let mut view = View::open(&cluster, folder.path());
        view.until("one ready pod", |view| view.ready_pods().len() == 1).await;
        actions::act(&cluster, &scale(2)).await.unwrap();
        view.until("two ready pods", |view| view.ready_pods().len() == 2).await;
        let before: Vec<_> = view.pods.keys().cloned().collect();
        actions::act(&cluster, &Action::Restart { deployment: "backend".to_owned() }).await.unwrap();
        view.until("two new pods", |view| {
            view.ready_pods().len() == 2 && view.ready_pods().iter().all(|pod| !before.contains(&pod.uid))
        })
        .await;
        view.close().await;
    })
    .await;
}

#[tokio::test]
async fn what_the_user_may_not_do_is_not_offered_and_what_cannot_be_read_is_named() {
    in_namespace(|cluster| async move {
        create_web(&cluster, "backend", 1).await;
        let reader = as_a_reader(&cluster).await;
        let preview = actions::preview(&reader, &scale(3)).await.unwrap();
        assert!(!preview.allowed);
        assert!(
            !actions::preview(&reader, &Action::Restart { deployment: "backend".to_owned() }).await.unwrap().allowed
        );
        let forward = Action::Forward { service: "backend".to_owned(), port: 8000 };
        assert!(!actions::preview(&reader, &forward).await.unwrap().allowed);
        let error = actions::act(&reader, &scale(3)).await.unwrap_err();
        assert_eq!((error.kind, error.retryable), (ErrorKind::Forbidden, false));

        let folder = tempfile::tempdir().unwrap();
        let mut view = View::open(&reader, folder.path());
        view.until("the pod of somebody with few rights", |view| view.ready_pods().len() == 1).await;
        view.until_live().await;
        let reason = view.connection.clone().unwrap().reason.unwrap();
        assert!(reason.starts_with("StatefulSets cannot be read: The cluster does not allow this"), "{reason}");
        view.close().await;
    })
    .await;
}

/// The same cluster as somebody who may read pods, services and Deployments and do nothing.
async fn as_a_reader(cluster: &Cluster) -> Cluster {
    create::<ServiceAccount>(cluster, json!({"metadata": {"name": "reader"}})).await;
    let verbs = ["get", "list", "watch"];
    let rules = json!([
        {"apiGroups": [""], "resources": ["pods", "services"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs},
    ]);
    create::<Role>(cluster, json!({"metadata": {"name": "reader"}, "rules": rules})).await;
    create::<RoleBinding>(
        cluster,
        json!({
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": cluster.namespace}],
        }),
    )
    .await;
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let request = serde_json::from_value::<TokenRequest>(json!({"spec": {"audiences": []}, "metadata": {}})).unwrap();
    let token = accounts.create_token_request("reader", &PostParams::default(), &request).await.unwrap();
    let mut config = config().await;
    config.auth_info = Default::default();
    config.auth_info.token = Some(token.status.unwrap().token.into());
    Cluster { client: Client::try_from(config).unwrap(), ..cluster.clone() }
}
