//! API servers at a real socket, as far as tests need them where no cluster can be had.

use kube::{Client, Config};
use serde_json::json;

use crate::fake_http;

/// One whose cluster has this uid, and nothing else.
pub(crate) async fn cluster(uid: &'static str) -> Client {
    serving(move |request| {
        request.starts_with("GET /api/v1/namespaces/kube-system ").then(|| {
            let namespace = json!({"metadata": {"name": "kube-system", "uid": uid}});
            (200, namespace)
        })
    })
    .await
}

/// One that allows nothing.
pub(crate) async fn refusing() -> Client {
    serving(|_| Some((403, status(403, "Forbidden")))).await
}

/// Nobody listens there.
pub(crate) fn nobody() -> Client {
    connect("http://127.0.0.1:1")
}

/// One that answers what `answer` knows, and that there is no such thing to everything else.
pub(crate) async fn serving(
    answer: impl Fn(&str) -> Option<(u16, serde_json::Value)> + Send + Sync + 'static,
) -> Client {
    let url = fake_http::serve(move |request| {
        let (code, body) = answer(request).unwrap_or_else(|| (404, status(404, "NotFound")));
        fake_http::response(code, "application/json", &body.to_string())
    })
    .await;
    connect(&url)
}

pub(crate) fn status(code: u16, reason: &str) -> serde_json::Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": format!("it is {reason}"),
           "reason": reason, "code": code})
}

fn connect(url: &str) -> Client {
    Client::try_from(Config::new(url.parse().unwrap())).unwrap()
}
