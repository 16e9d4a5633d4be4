//! An API server, as far as the server asks one: who its front proxy is, and a pod to write to.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, State},
    http::HeaderMap,
    routing::{get, patch},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::{Client, Identity};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, time::timeout};

pub const NAMESPACE: &str = "llm-as-a-service";

pub struct Cluster {
    kubeconfig: PathBuf,
    authority: Authority,
    pods: Arc<Pods>,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

#[derive(Default)]
struct Pods {
    /// Name and patch.
    patches: Mutex<Vec<(String, Value)>>,
    news: Notify,
}

impl Cluster {
    pub async fn start(folder: &Path) -> Self {
        let authority = authority();
        let config_map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "extension-apiserver-authentication", "namespace": "kube-system" },
            "data": {
                "requestheader-client-ca-file": authority.pem(),
                "requestheader-allowed-names": r#"["front-proxy-client"]"#,
            },
        });
        let pods = Arc::<Pods>::default();
        let router = Router::new()
            .route(
                "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
                get(async || Json(config_map)),
            )
            .route("/api/v1/namespaces/llm-as-a-service/pods/{name}", patch(patch_pod))
            .with_state(Arc::clone(&pods));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let kubeconfig = folder.join("kubeconfig");
        let context = json!({ "cluster": "here", "user": "backend", "namespace": NAMESPACE });
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "here", "cluster": { "server": url } }],
            "users": [{ "name": "backend", "user": {} }],
            "contexts": [{ "name": "here", "context": context }],
            "current-context": "here",
        });
        fs::write(&kubeconfig, content.to_string()).unwrap();
        Self { kubeconfig, authority, pods }
    }

    /// The setting that connects a server to it.
    pub fn setting(&self) -> (&str, &str) {
        ("KUBECONFIG", self.kubeconfig.to_str().unwrap())
    }

    /// Somebody with a certificate of the front proxy's authority under this name. As an API server that is told so by an
    /// APIService, it takes any certificate for the server's.
    pub fn client(&self, name: &str) -> Client {
        client(Some(identity(&self.authority, name)))
    }

    /// Wait until a pod costs this much.
    pub async fn until_it_costs(&self, pod: &str, cost: &str) {
        let patch = json!({ "metadata": { "annotations": { "controller.kubernetes.io/pod-deletion-cost": cost } } });
        let wanted = Some((pod.to_owned(), patch));
        let waiting = async {
            loop {
                let news = self.pods.news.notified();
                if self.pods.patches.lock().unwrap().last().cloned() == wanted {
                    return;
                }
                news.await;
            }
        };
        let came = timeout(Duration::from_secs(30), waiting).await;
        assert!(came.is_ok(), "{wanted:?} did not come: {:?}", self.pods.patches.lock().unwrap());
    }
}

/// Somebody with a certificate of an authority that nobody knows.
pub fn stranger() -> Client {
    client(Some(identity(&authority(), "front-proxy-client")))
}

/// Somebody without a certificate.
pub fn nobody() -> Client {
    client(None)
}

fn client(identity: Option<Identity>) -> Client {
    let client = Client::builder().tls_danger_accept_invalid_certs(true);
    identity.into_iter().fold(client, |client, identity| client.identity(identity)).build().unwrap()
}

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "front-proxy-ca");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn identity(authority: &Authority, name: &str) -> Identity {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Identity::from_pem((certificate.pem() + &key.serialize_pem()).as_bytes()).unwrap()
}

async fn patch_pod(
    State(pods): State<Arc<Pods>>,
    UrlPath(name): UrlPath<String>,
    headers: HeaderMap,
    Json(patch): Json<Value>,
) -> Json<Value> {
    assert_eq!(headers["content-type"], "application/merge-patch+json");
    pods.patches.lock().unwrap().push((name.clone(), patch));
    pods.news.notify_waiters();
    Json(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": NAMESPACE } }))
}
