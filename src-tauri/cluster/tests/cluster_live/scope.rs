//! A namespace for one test, and the objects that tests put there.

use std::{panic::resume_unwind, time::Duration};

use flotilla_cluster::Cluster;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod, Service, ServiceAccount},
    },
    serde::de::DeserializeOwned,
};
use kube::{Api, Client, Config, api::PostParams, core::NamespaceResourceScope};
use serde_json::{Value, json};

pub const IMAGE: &str = "debian:bookworm-slim";
/// For what takes pods to start; far more than it takes, since a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Run the test in a new namespace and delete that afterwards, whatever happened.
pub async fn in_namespace<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Cluster) -> F) {
    let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = json!({"metadata": {"generateName": "flotilla-live-test-"}});
    let namespace = serde_json::from_value(namespace).unwrap();
    let namespace = namespaces.create(&PostParams::default(), &namespace).await.unwrap().metadata.name.unwrap();
    // Pods are refused until the namespace has its service account.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let has_account =
        kube::runtime::wait::await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
    tokio::time::timeout(PATIENCE, has_account).await.unwrap().unwrap();
    let cluster = Cluster::with_client(client, "test", &namespace);
    let result = tokio::spawn(test(cluster)).await;
    namespaces.delete(&namespace, &Default::default()).await.unwrap();
    if let Err(failure) = result {
        resume_unwind(failure.into_panic());
    }
}

/// How `Client::try_default` connects, to be changed.
pub async fn config() -> Config {
    Config::infer().await.expect("KUBECONFIG names a cluster")
}

pub async fn create<K>(cluster: &Cluster, object: Value) -> K
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + std::fmt::Debug,
    K: DeserializeOwned + serde::Serialize,
{
    let objects: Api<K> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let object = serde_json::from_value(object).unwrap();
    objects.create(&PostParams::default(), &object).await.unwrap()
}

pub async fn create_pod(cluster: &Cluster, name: &str, spec: Value) {
    create::<Pod>(cluster, json!({"metadata": {"name": name, "labels": labels(name)}, "spec": spec})).await;
}

/// A container that does `command` in a shell.
pub fn shell(command: &str) -> Value {
    json!({
        "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", command],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
    })
}

/// A Deployment whose pods answer HTTP with their name and log each request, and a service in front of it.
pub async fn create_web(cluster: &Cluster, name: &str, replicas: u32) {
    const SERVER: &str = r#"
        $| = 1; $SIG{TERM} = sub { exit }; $SIG{PIPE} = "IGNORE";
        $server = IO::Socket::INET->new(LocalPort => 8000, Listen => 64, ReuseAddr => 1) or die;
        print "started\n"; chomp($name = `hostname`);
        while ($client = $server->accept) {
            # The readiness probe connects and says nothing.
            next unless defined($request = <$client>);
            print "asked $request"; while (<$client> =~ /\S/) {}
            print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($name) . "\r\nConnection: close\r\n\r\n$name";
            close $client;
        }"#;
    let container = json!({
        "name": "main", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
        "command": ["perl", "-MIO::Socket::INET", "-e", SERVER],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
    });
    create::<Deployment>(
        cluster,
        json!({
            "metadata": {"name": name, "labels": labels(name)},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels(name)},
                "template": {
                    "metadata": {"labels": labels(name)},
                    "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
                },
            },
        }),
    )
    .await;
    let ports = json!([{"port": 8000, "targetPort": "http"}]);
    let spec = json!({"selector": labels(name), "ports": ports});
    create::<Service>(cluster, json!({"metadata": {"name": name}, "spec": spec})).await;
}

pub fn labels(name: &str) -> Value {
    json!({"app.kubernetes.io/name": name})
}
