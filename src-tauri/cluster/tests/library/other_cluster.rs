//! A context may lead to another cluster than yesterday. What was planned for the one is not done to the other.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use flotilla_cluster::{
    Cluster, ErrorKind,
    plan::{self, DeployOptions, Deployment, Images, PlanStatus, Settings, StepId, Target, WaitingFor},
};

use crate::support::Kubeconfig;

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

/// A cluster with this uid, behind the context `it`. Everything is allowed there, and nothing is there yet.
async fn cluster(uid: &'static str) -> Cluster {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            thread::spawn(move || {
                let mut request = [0; 16 * 1024];
                let length = connection.read(&mut request).unwrap();
                let (code, body) = answer(&String::from_utf8_lossy(&request[..length]), uid);
                let length = body.len();
                let head = "content-type: application/json\r\nconnection: close\r\n";
                let _ = write!(connection, "HTTP/1.1 {code} X\r\n{head}content-length: {length}\r\n\r\n{body}");
            });
        }
    });
    let config = Kubeconfig::with(&format!("server: {server}"), "token: t");
    config.store().connect().await.unwrap()
}

fn answer(request: &str, uid: &str) -> (u16, String) {
    if request.starts_with("GET /version ") {
        return (200, r#"{"major": "1", "minor": "34", "gitVersion": "v1.34.2", "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""}"#.to_owned());
    }
    if request.starts_with("GET /api/v1/namespaces/kube-system ") {
        return (200, format!(r#"{{"metadata": {{"name": "kube-system", "uid": "{uid}"}}}}"#));
    }
    if request.starts_with("POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews") {
        return (201, r#"{"metadata": {}, "spec": {}, "status": {"allowed": true}}"#.to_owned());
    }
    if request.starts_with("PATCH ") {
        let body = request.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        return (200, body.unwrap_or_default());
    }
    (404, r#"{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "it is not there", "reason": "NotFound", "code": 404}"#.to_owned())
}
