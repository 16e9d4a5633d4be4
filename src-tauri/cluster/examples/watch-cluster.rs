//! What the panel would show, as lines: `cargo run -p flotilla-cluster --example watch-cluster -- NAMESPACE [URL]`, on the
//! cluster that KUBECONFIG names.

use std::io::Write;

use flotilla_cluster::{
    Cluster,
    live::{self, LiveOptions},
};
use kube::Client;
use tokio::sync::{mpsc, watch};

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(namespace) = arguments.next() else {
        let _ = writeln!(std::io::stderr(), "usage: watch-cluster NAMESPACE [URL]");
        return;
    };
    let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
    let cluster = Cluster::with_client(client, "current", namespace);
    let folder = tempfile::tempdir().expect("a folder");
    let options = LiveOptions { state_folder: folder.path().to_owned(), url: watch::channel(arguments.next()).1 };
    let (sender, mut updates) = mpsc::channel(4);
    tokio::spawn(live::follow(cluster, options, sender));
    let mut connection = None;
    while let Some(update) = updates.recv().await {
        let mut out = std::io::stdout().lock();
        if connection.as_ref() != Some(&update.connection) {
            let _ = writeln!(out, "{:?} {:?}", update.connection.state, update.connection.reason);
            connection = Some(update.connection);
        }
        for pod in &update.pods {
            let why = pod.why.as_deref().unwrap_or("ready");
            let _ =
                writeln!(out, "{}  {:?} mCPU of {:?}  {why}", pod.name, pod.cpu_millicores, pod.cpu_request_millicores);
        }
        for workload in update.deployments.iter().flatten() {
            let why = workload.why.as_deref().unwrap_or("as wanted");
            let _ = writeln!(
                out,
                "{:?}/{}  {}/{} ready  {why}",
                workload.kind, workload.name, workload.ready, workload.desired
            );
        }
        for autoscaler in update.autoscalers.iter().flatten() {
            let _ = writeln!(
                out,
                "why {} of {}: {}",
                autoscaler.desired,
                autoscaler.target,
                autoscaler.explanation.join(" ")
            );
        }
        for event in &update.events {
            let _ = writeln!(out, "{} {} × {}: {}", event.object, event.count, event.reason, event.message);
        }
        for sample in &update.samples {
            let _ = writeln!(out, "{sample:?}");
        }
    }
}
