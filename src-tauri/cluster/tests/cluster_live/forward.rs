use flotilla_cluster::{
    actions::{self, Action},
    forward::{ForwardState, PortForward},
};
use tokio::time::timeout;

use crate::scope::{PATIENCE, create_web, in_namespace};

/// Ask the pod behind the forward, as soon as there is one; the answer is its name.
pub async fn get(forward: &PortForward, path: &str) -> String {
    let mut changes = forward.changes();
    let open = changes.wait_for(|forward| forward.state == ForwardState::Open);
    timeout(PATIENCE, open).await.expect("a pod becomes ready").expect("the forward goes on");
    let url = format!("http://127.0.0.1:{}{path}", forward.state().local_port);
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_forward_keeps_its_port_when_its_pod_is_replaced() {
    in_namespace(|cluster| async move {
        create_web(&cluster, "backend", 1).await;
        let action = Action::Forward { service: "backend".to_owned(), port: 8000 };
        let preview = actions::preview(&cluster, &action).await.unwrap();
        assert!(preview.allowed && preview.command.ends_with("port-forward service/backend 8000"), "{preview:?}");
        let forward = actions::act(&cluster, &action).await.unwrap().expect("a forward stays open");
        let port = forward.state().local_port;
        let first = get(&forward, "/").await;
        assert_eq!(forward.state().pod.as_ref(), Some(&first));

        actions::act(&cluster, &Action::DeletePod { pod: first.clone() }).await.unwrap();
        let mut changes = forward.changes();
        timeout(PATIENCE, changes.wait_for(|forward| forward.pod.as_ref() != Some(&first))).await.unwrap().unwrap();
        let second = get(&forward, "/").await;
        assert_ne!(second, first);
        let state = forward.state();
        assert_eq!((state.local_port, state.state), (port, ForwardState::Open));

        drop(forward);
        let closed = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, closed).await.expect("a dropped forward closes its port");
    })
    .await;
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_named() {
    in_namespace(|cluster| async move {
        let error = PortForward::open(&cluster, "nowhere", 8000).await.err().unwrap();
        assert!(error.message.contains("nowhere"), "{}", error.message);
    })
    .await;
}
