//! The failure drill and the load dial without a window. It ends with an error when an answer was cut or a character lost:
//! `cargo run -p flotilla-cluster --example failure-drill -- NAMESPACE URL [CHATS]`, on the cluster that KUBECONFIG names.

use std::io::Write;

use flotilla_cluster::{
    Cluster,
    drill::{self, DrillApp, DrillOptions},
    load::{self, LoadOptions},
};
use kube::Client;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [namespace, url, rest @ ..] = arguments.as_slice() else {
        let _ = writeln!(std::io::stderr(), "usage: failure-drill NAMESPACE URL [CHATS]");
        return;
    };
    let chats = rest.first().map_or(4, |chats| chats.parse().expect("CHATS is a number"));
    let client = Client::try_default().await.expect("KUBECONFIG names a cluster");
    let cluster = Cluster::with_client(client, "current", namespace);

    let (reports, mut inbox) = mpsc::channel(16);
    let options = DrillOptions { url: url.clone(), app: DrillApp::Backend, chats };
    let (result, ()) = tokio::join!(drill::run(&cluster, options, reports), async {
        while let Some(report) = inbox.recv().await {
            if report.done {
                say(&format!("{report:#?}"));
                assert_eq!((report.complete, report.lost_characters), (report.answers, 0), "an answer was not whole");
                assert!(report.replaced_after_ms.is_some(), "the pod was not replaced");
            } else {
                say(&report.stage);
            }
        }
    });
    result.expect("the drill comes to its end");

    let (updates, mut inbox) = mpsc::channel(16);
    let options = LoadOptions { url: url.clone(), chats, seconds: 20, model: None };
    let (result, ()) = tokio::join!(load::run(options, updates), async {
        while let Some(update) = inbox.recv().await {
            if update.done {
                say(&format!("{update:#?}"));
            }
        }
    });
    result.expect("the load is within its limits");
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
