use flotilla_cluster::{
    actions::{self, Action},
    forward::PortForward,
    logs::{self, LogLine, LogQuery},
};
use serde_json::json;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    forward::get,
    scope::{PATIENCE, create_pod, create_web, in_namespace, shell},
    view::View,
};

fn query(app: &str, follow: bool) -> LogQuery {
    LogQuery { app: Some(app.to_owned()), pod: None, previous: false, follow, filter: None, tail: 100 }
}

/// Read batches until the lines are these.
async fn until(
    batches: &mut mpsc::Receiver<Vec<LogLine>>,
    lines: &mut Vec<LogLine>,
    done: impl Fn(&[LogLine]) -> bool,
) {
    let reading = async {
        while !done(lines) {
            lines.extend(batches.recv().await.expect("the logs go on"));
        }
    };
    let in_time = timeout(PATIENCE, reading).await.is_ok();
    assert!(in_time, "{lines:#?}");
}

#[tokio::test]
async fn logs_of_two_pods_come_as_one_and_follow_a_new_pod() {
    in_namespace(|cluster| async move {
        let folder = tempfile::tempdir().unwrap();
        create_web(&cluster, "backend", 2).await;
        let mut view = View::open(&cluster, folder.path());
        view.until("two ready pods", |view| view.ready_pods().len() == 2).await;

        let (sender, mut batches) = mpsc::channel(16);
        let reading = tokio::spawn({
            let cluster = cluster.clone();
            async move { logs::read(&cluster, query("backend", true), sender).await }
        });
        let mut lines = Vec::new();
        let pods_in = |lines: &[LogLine]| {
            let mut pods: Vec<_> =
                lines.iter().filter(|line| line.text == "started").map(|line| line.pod.clone()).collect();
            pods.sort_unstable();
            pods.dedup();
            pods.len()
        };
        until(&mut batches, &mut lines, |lines| pods_in(lines) == 2).await;
        assert!(lines.is_sorted_by_key(|line| line.at), "{lines:#?}");

        actions::act(&cluster, &Action::Scale { deployment: "backend".to_owned(), replicas: 3 }).await.unwrap();
        until(&mut batches, &mut lines, |lines| pods_in(lines) == 3).await;

        drop(batches);
        timeout(PATIENCE, reading).await.expect("it ends with its reader").unwrap().unwrap();
        view.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_filter_lets_only_its_lines_through_as_they_are_written() {
    in_namespace(|cluster| async move {
        create_web(&cluster, "backend", 1).await;
        let forward = PortForward::open(&cluster, "backend", 8000).await.unwrap();
        get(&forward, "/warm-up").await;
        let (sender, mut batches) = mpsc::channel(16);
        let query = LogQuery { filter: Some("request-42".to_owned()), ..query("backend", true) };
        let reading = tokio::spawn(async move { logs::read(&cluster, query, sender).await });
        get(&forward, "/other").await;
        get(&forward, "/request-42").await;
        let mut lines = Vec::new();
        until(&mut batches, &mut lines, |lines| !lines.is_empty()).await;
        let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["asked GET /request-42 HTTP/1.1"]);
        reading.abort();
    })
    .await;
}

#[tokio::test]
async fn the_log_before_a_restart_says_what_the_crash_said() {
    in_namespace(|cluster| async move {
        let folder = tempfile::tempdir().unwrap();
        // It crashes once only: a second crash makes the node throw the first log away.
        let mut container = shell("test -e /mark/crashed && sleep 1000; touch /mark/crashed; echo out of ink; exit 1");
        container["volumeMounts"] = json!([{"name": "mark", "mountPath": "/mark"}]);
        let spec = json!({"containers": [container], "volumes": [{"name": "mark", "emptyDir": {}}]});
        create_pod(&cluster, "printer", spec).await;
        let mut view = View::open(&cluster, folder.path());
        view.until("a second start", |view| view.pod("printer").is_some_and(|pod| pod.ready && pod.restarts == 1))
            .await;
        let (sender, mut batches) = mpsc::channel(16);
        let query = LogQuery { previous: true, ..query("printer", true) };
        logs::read(&cluster, query, sender).await.unwrap();
        let lines = batches.recv().await.unwrap();
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["out of ink"]);
        assert_eq!(batches.recv().await, None);
        view.close().await;
    })
    .await;
}
