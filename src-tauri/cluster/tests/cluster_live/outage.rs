use std::net::SocketAddr;

use flotilla_cluster::{
    Cluster,
    actions::{self, Action},
    live::ConnectionState,
};
use kube::Client;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::{
    scope::{config, create_pod, create_web, in_namespace, shell},
    view::View,
};

/// A way to the API server that can be cut and mended.
struct Line {
    address: SocketAddr,
    server: String,
    task: Option<JoinHandle<()>>,
}

impl Line {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = Some(tokio::spawn(pass_on(listener, server.clone())));
        Self { address, server, task }
    }

    async fn cut(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    async fn mend(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Some(tokio::spawn(pass_on(listener, self.server.clone())));
    }
}

async fn pass_on(listener: TcpListener, server: String) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let server = server.clone();
        connections.spawn(async move {
            if let Ok(mut server) = TcpStream::connect(server).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

#[tokio::test]
async fn a_lost_api_server_is_said_and_nothing_is_lost_when_it_is_back() {
    in_namespace(|cluster| async move {
        let mut config = config().await;
        let host = config.cluster_url.host().unwrap().to_owned();
        let mut line = Line::to(format!("{host}:{}", config.cluster_url.port_u16().unwrap_or(443))).await;
        config.cluster_url = format!("https://{}", line.address).parse().unwrap();
        config.tls_server_name = Some(host);
        let through_the_line = Cluster { client: Client::try_from(config).unwrap(), ..cluster.clone() };

        create_web(&cluster, "backend", 1).await;
        create_pod(
            &cluster,
            "goes",
            serde_json::json!({"containers": [shell("sleep 1000")], "terminationGracePeriodSeconds": 0}),
        )
        .await;
        let folder = tempfile::tempdir().unwrap();
        let mut view = View::open(&through_the_line, folder.path());
        view.until("two ready pods", |view| view.ready_pods().len() == 2).await;
        view.until_live().await;

        line.cut().await;
        view.until("the outage", |view| view.state() == Some(ConnectionState::Reconnecting)).await;
        assert!(view.connection.as_ref().unwrap().reason.is_some());
        // What is known stays in view.
        assert_eq!(view.pods.len(), 2);
        create_pod(&cluster, "comes", serde_json::json!({"containers": [shell("sleep 1000")]})).await;
        actions::act(&cluster, &Action::DeletePod { pod: "goes".to_owned() }).await.unwrap();

        line.mend().await;
        view.until_live().await;
        view.until("what came meanwhile", |view| view.pod("comes").is_some()).await;
        view.until("what went meanwhile", |view| view.pod("goes").is_none()).await;
        assert!(view.pods.values().any(|pod| pod.app == "backend"));
        view.close().await;
    })
    .await;
}
