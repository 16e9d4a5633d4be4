//! Engines behind a name whose addresses change.

use std::{fs, net::Ipv4Addr, process::Command};

use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    model_server::{Manner, ModelServer, WORDS},
    support::Server,
};

/// A name in a hosts file that only the server sees. It is written in place, because the server has the file itself.
struct Name {
    folder: tempfile::TempDir,
}

impl Name {
    fn of(servers: &[&ModelServer]) -> Self {
        let name = Self { folder: tempfile::tempdir().unwrap() };
        name.now_means(servers);
        name
    }

    fn now_means(&self, servers: &[&ModelServer]) {
        let lines = servers.iter().map(|server| format!("{} engines.test\n", server.address.ip()));
        fs::write(self.folder.path().join("hosts"), lines.collect::<String>()).unwrap();
    }

    /// A server with these settings that runs in front of what has this name, and looks it up every second.
    fn serve(&self, port: u16, settings: &[(&str, &str)]) -> Server {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg("mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"");
        command.arg("sh").arg(self.folder.path().join("hosts")).arg(env!("CARGO_BIN_EXE_flotilla")).arg("serve");
        command.arg("--openai-base-url").arg(format!("http://engines.test:{port}/v1"));
        command.args(["--engine-dns-interval", "1"]).envs(settings.iter().copied());
        Server::launch(command, &self.folder.path().join("data"))
    }
}

/// Two on the same port of different addresses.
async fn pair_on_one_port() -> [ModelServer; 2] {
    loop {
        let one = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).await.unwrap();
        let port = one.local_addr().unwrap().port();
        if let Ok(other) = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 3), port)).await {
            return [one, other].map(|listener| ModelServer::listening(listener, &["model"], Manner::Well));
        }
    }
}

/// Wait until the server has these replicas and no others.
async fn has_replicas(server: &Server, expected: &[&ModelServer]) {
    let mut expected: Vec<_> = expected.iter().map(|server| server.name()).collect();
    expected.sort();
    loop {
        let metrics = server.metrics().await;
        let lines = metrics.lines().filter_map(|line| line.strip_prefix("flotilla_replica_failures_total{replica=\""));
        let mut found: Vec<_> = lines.filter_map(|line| line.split('"').next()).map(str::to_owned).collect();
        found.sort();
        if found == expected {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn ask(server: &Server, number: u32) {
    let body = json!({ "model": "model", "messages": [{ "role": "user", "content": number.to_string() }] });
    let (_, answer) = server.post("/v1/chat/completions", body).await;
    assert_eq!(answer["choices"][0]["message"]["content"], WORDS.concat(), "{answer}");
}

#[tokio::test]
async fn every_address_of_the_name_is_a_replica_for_as_long_as_the_name_has_it() {
    let [one, other] = pair_on_one_port().await;
    let name = Name::of(&[&one]);
    let server = name.serve(one.address.port(), &[]);
    has_replicas(&server, &[&one]).await;
    ask(&server, 0).await;
    assert_eq!((one.asked().len(), other.asked().len()), (1, 0));

    name.now_means(&[&one, &other]);
    has_replicas(&server, &[&one, &other]).await;
    for number in 1..40 {
        ask(&server, number).await;
    }
    assert!(!other.asked().is_empty());

    name.now_means(&[&other]);
    has_replicas(&server, &[&other]).await;
    let before = other.asked().len();
    ask(&server, 40).await;
    assert_eq!(other.asked().len(), before + 1);

    name.now_means(&[]);
    server.logs("cannot be resolved").await;
    has_replicas(&server, &[&other]).await;
    ask(&server, 41).await;
}

#[tokio::test]
async fn who_waits_in_line_is_answered_by_a_replica_that_comes() {
    let [busy, other] = pair_on_one_port().await;
    busy.answer(Manner::Holding);
    let name = Name::of(&[&busy]);
    let server = name.serve(busy.address.port(), &[("UPSTREAM_SLOTS", "1")]);

    let second = async {
        while busy.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        ask(&server, 1).await;
        assert_eq!((busy.asked().len(), other.asked().len()), (1, 1));
        busy.release();
    };
    let other_comes = async {
        server.has_metric("flotilla_queue_depth 1").await;
        name.now_means(&[&busy, &other]);
    };
    tokio::join!(ask(&server, 0), second, other_comes);
}
