use std::time::Duration;

use flotilla_cluster::actions::{self, Action};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    scope::{create, create_pod, create_web, in_namespace, labels, shell},
    view::View,
};

fn one(container: Value) -> Value {
    json!({"containers": [container], "terminationGracePeriodSeconds": 1})
}

#[tokio::test]
async fn pods_that_are_not_ready_say_why_in_words() {
    in_namespace(|cluster| async move {
        let folder = tempfile::tempdir().unwrap();
        let mut view = View::open(&cluster, folder.path());
        let mut image = shell("true");
        // Nothing listens there, so the pull fails at once and without a look at the network.
        image["image"] = json!("127.0.0.1:9/flotilla-missing:1");
        create_pod(&cluster, "no-image", one(image)).await;
        create_pod(&cluster, "crashes", one(shell("exit 3"))).await;
        let mut huge = shell("sleep 1000");
        huge["resources"] = json!({"requests": {"cpu": "1000"}});
        create_pod(&cluster, "too-big", one(huge)).await;
        let mut unready = shell("sleep 1000");
        unready["readinessProbe"] = json!({"exec": {"command": ["false"]}, "periodSeconds": 1});
        create_pod(&cluster, "unready", one(unready)).await;
        let mut secretive = shell("true");
        secretive["envFrom"] = json!([{"secretRef": {"name": "nobody-made-me"}}]);
        create_pod(&cluster, "no-secret", one(secretive)).await;

        let expected = [
            ("no-image", "cannot be pulled"),
            ("crashes", "ended with exit code 3 again and again"),
            ("too-big", "No node takes it: 0/"),
            ("unready", "readiness probe does not succeed"),
            ("no-secret", "lacks configuration: secret \"nobody-made-me\" not found"),
        ];
        for (name, words) in expected {
            let says_so = |view: &View| {
                let why = view.pod(name).and_then(|pod| pod.why.clone());
                why.is_some_and(|why| why.contains(words))
            };
            view.until(&format!("{name} saying that it {words}"), says_so).await;
        }
        view.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_killed_pod_is_shown_within_two_seconds_and_so_is_its_replacement() {
    in_namespace(|cluster| async move {
        let folder = tempfile::tempdir().unwrap();
        // Nothing in it minds SIGTERM, so that it is there long enough for its reason to be told.
        let pod = json!({"containers": [shell("sleep 1000")], "terminationGracePeriodSeconds": 5});
        let template = json!({"metadata": {"labels": labels("backend")}, "spec": pod});
        let spec = json!({"replicas": 1, "selector": {"matchLabels": labels("backend")}, "template": template});
        create::<Deployment>(
            &cluster,
            json!({"metadata": {"name": "backend", "labels": labels("backend")}, "spec": spec}),
        )
        .await;
        let mut view = View::open(&cluster, folder.path());
        view.until("a ready pod", |view| view.ready_pods().len() == 1).await;
        let victim = view.ready_pods()[0].name.clone();

        let killed = Instant::now();
        actions::act(&cluster, &Action::DeletePod { pod: victim.clone() }).await.unwrap();
        let says_why = |view: &View| view.pod(&victim).is_some_and(|pod| pod.deleting && pod.why.is_some());
        view.until("the killed pod saying why", says_why).await;
        assert!(killed.elapsed() < Duration::from_secs(2), "it took {:?}", killed.elapsed());

        view.until("a ready replacement", |view| view.ready_pods().iter().any(|pod| pod.name != victim)).await;
        view.until("a Deployment at rest", |view| {
            view.deployments.iter().any(|deployment| deployment.name == "backend" && deployment.why.is_none())
        })
        .await;
        view.close().await;
    })
    .await;
}

#[tokio::test]
async fn usage_is_sampled_and_events_and_samples_survive_a_restart() {
    in_namespace(|cluster| async move {
        let folder = tempfile::tempdir().unwrap();
        create_web(&cluster, "backend", 1).await;
        let mut view = View::open(&cluster, folder.path());
        let measured = |view: &View| view.pods.values().any(|pod| pod.memory_bytes.is_some_and(|bytes| bytes > 0.0));
        view.until("a pod's memory", measured).await;
        view.until("a sample of the Deployment", |view| view.samples.iter().any(|sample| sample.ready == Some(1.0)))
            .await;
        view.until("an event", |view| view.events.values().any(|event| event.reason == "Started")).await;
        let (events, samples) = (view.events.clone(), view.samples.clone());
        view.close().await;

        let mut view = View::open(&cluster, folder.path());
        view.until("the events of before", |view| events.keys().all(|uid| view.events.contains_key(uid))).await;
        assert!(view.samples.starts_with(&samples));
        view.close().await;
    })
    .await;
}
