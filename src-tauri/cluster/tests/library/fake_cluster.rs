//! Clusters where everything is allowed and nothing is there yet. They know what a plan asks before it applies.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use flotilla_cluster::Cluster;

use crate::support::Kubeconfig;

/// A cluster with this uid, behind the context `it`.
pub async fn cluster(uid: &'static str) -> Cluster {
    let config = Kubeconfig::with(&format!("server: {}", api_server(uid)), "token: t");
    config.store().connect().await.unwrap()
}

/// The address of its API server.
pub fn api_server(uid: &'static str) -> String {
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
    server
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
