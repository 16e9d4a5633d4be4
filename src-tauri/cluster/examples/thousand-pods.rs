//! How much memory and time live state takes at 1,000 pods: `cargo run --release -p flotilla-cluster --example thousand-pods`.
//!
//! A second process of this program is the API server: it lists 1,000 pods of ordinary size, then changes 50 of them a
//! second and replaces one. Each change carries the time at which it was sent, which is compared when it is shown.

use std::{
    convert::Infallible,
    io::Write,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flotilla_cluster::{
    Cluster,
    live::{self, LiveOptions, LiveUpdate},
};
use futures::StreamExt;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    sync::{broadcast, mpsc, watch},
    time::{Instant, interval, timeout_at},
};

const PODS: u64 = 1_000;
const CHANGES_EVERY: Duration = Duration::from_millis(20);
const MEASURED_FOR: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve().await,
        _ => measure().await,
    }
}

async fn measure() {
    let mut server = tokio::process::Command::new(std::env::current_exe().expect("this program's path"))
        .arg("serve")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the fake API server starts");
    let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let address = lines.next_line().await.expect("its address").expect("its address");
    let config = Config::new(format!("http://{address}").parse().expect("an address"));
    let client = Client::try_from(config).expect("a client");
    let cluster = Cluster::with_client(client, "fake", "flotilla");
    let folder = tempfile::tempdir().expect("a folder");
    let before = memory("VmRSS");

    let options = LiveOptions { state_folder: folder.path().to_owned(), url: watch::channel(None).1 };
    let (sender, mut updates) = mpsc::channel(4);
    let started = Instant::now();
    tokio::spawn(live::follow(cluster, options, sender));
    let (mut known, mut listed_after, mut count) = (std::collections::HashSet::new(), None, 0);
    let mut delays = Vec::new();
    let end = started + MEASURED_FOR;
    while let Ok(Some(update)) = timeout_at(end, updates.recv()).await {
        let LiveUpdate { pods, gone_pods, .. } = update;
        count += 1;
        for uid in gone_pods {
            known.remove(&uid);
        }
        let now = now();
        for pod in pods {
            if let Some(sent) = pod.image.rsplit_once(":at-").and_then(|(_, sent)| sent.parse::<u64>().ok()) {
                delays.push(now.saturating_sub(sent));
            }
            known.insert(pod.uid);
        }
        if known.len() as u64 >= PODS {
            listed_after.get_or_insert(started.elapsed());
        }
    }
    delays.sort_unstable();
    let percentile = |percent: usize| delays.get((delays.len() * percent / 100).min(delays.len() - 1));
    let mut out = std::io::stdout();
    let _ = writeln!(out, "pods known at the end        {}", known.len());
    let _ = writeln!(out, "first picture complete after {:?}", listed_after.expect("all pods are listed"));
    let _ = writeln!(out, "updates                      {count} in {MEASURED_FOR:?}");
    let _ = writeln!(out, "changes shown                {}", delays.len());
    let _ = writeln!(
        out,
        "delay                        p50 {:?} ms, p99 {:?} ms, most {:?} ms",
        percentile(50).expect("changes"),
        percentile(99).expect("changes"),
        delays.last().expect("changes")
    );
    let _ = writeln!(
        out,
        "memory (RSS)                 {} MB, at most {} MB, before {} MB",
        memory("VmRSS"),
        memory("VmHWM"),
        before
    );
    while let Ok(Ok(Some(line))) = tokio::time::timeout(Duration::from_millis(1100), lines.next_line()).await {
        if line.starts_with("requests") {
            let _ = writeln!(out, "{line}");
            break;
        }
    }
}

/// A field of this process's status, in megabytes.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

/// What the fake API server has.
struct Api {
    pods: Mutex<Vec<Value>>,
    version: AtomicU64,
    changes: broadcast::Sender<Bytes>,
    /// Requests by what they asked for.
    requests: Mutex<std::collections::BTreeMap<String, u32>>,
}

async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{}", listener.local_addr().expect("an address"));
    let _ = out.flush();
    let (changes, _) = broadcast::channel(4096);
    let api = Arc::new(Api {
        pods: Mutex::new((0..PODS).map(|number| pod(number, number + 1, "start")).collect()),
        version: AtomicU64::new(PODS + 1),
        changes,
        requests: Mutex::default(),
    });
    tokio::spawn(churn(Arc::clone(&api)));
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(Arc::clone(&api), request));
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

/// Change a pod every 20 ms, and replace one every second.
async fn churn(api: Arc<Api>) {
    let mut ticks = interval(CHANGES_EVERY);
    let mut next = PODS;
    for tick in 0u64.. {
        ticks.tick().await;
        let version = api.version.fetch_add(1, Ordering::Relaxed) + 1;
        let mut pods = api.pods.lock().expect("the pods");
        let place = (tick * 7 % PODS) as usize;
        let stamp = format!("at-{}", now());
        let number: u64 = pods[place]["metadata"]["uid"].as_str().and_then(|uid| uid.parse().ok()).expect("a number");
        if tick % 50 == 49 {
            let mut gone = pods[place].clone();
            gone["metadata"]["resourceVersion"] = json!(version.to_string());
            let _ = api.changes.send(line(&json!({"type": "DELETED", "object": gone})));
            pods[place] = pod(next, api.version.fetch_add(1, Ordering::Relaxed) + 1, &stamp);
            next += 1;
            let _ = api.changes.send(line(&json!({"type": "ADDED", "object": pods[place]})));
            let requests: Vec<_> = {
                let requests = api.requests.lock().expect("the requests");
                requests.iter().map(|(what, count)| format!("{what} {count}")).collect()
            };
            let _ = writeln!(std::io::stdout(), "requests so far              {}", requests.join(", "));
        } else {
            pods[place] = pod(number, version, &stamp);
            let _ = api.changes.send(line(&json!({"type": "MODIFIED", "object": pods[place]})));
        }
    }
}

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(api: Arc<Api>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let is_watch = query.contains("watch=true");
    let verb = match (is_watch, query.contains("sendInitialEvents=true")) {
        (true, true) => "list+watch",
        (true, false) => "watch",
        (false, _) => "get",
    };
    let kind = path.rsplit('/').next().unwrap_or_default();
    *api.requests.lock().expect("the requests").entry(format!("{verb} {kind}")).or_default() += 1;
    if !is_watch {
        return Ok(Response::new(Full::from(json!({"items": []}).to_string()).boxed_unsync()));
    }
    let version = api.version.load(Ordering::Relaxed).to_string();
    let metadata = json!({"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}});
    let end = line(&json!({"type": "BOOKMARK", "object": {"apiVersion": "v1", "kind": "Any", "metadata": metadata}}));
    let frame = |bytes| Ok::<_, Infallible>(Frame::data(bytes));
    if !path.ends_with("/v1/namespaces/flotilla/pods") {
        let silence = futures::stream::iter([end]).chain(futures::stream::pending()).map(frame);
        return Ok(Response::new(StreamBody::new(silence).boxed_unsync()));
    }
    let changes = api.changes.subscribe();
    let mut lines: Vec<_> = Vec::new();
    if verb == "list+watch" {
        let pods = api.pods.lock().expect("the pods");
        lines.extend(pods.iter().map(|pod| line(&json!({"type": "ADDED", "object": pod}))));
        lines.push(end);
    }
    let later = futures::stream::unfold(changes, async |mut changes| Some((changes.recv().await.ok()?, changes)));
    let all = futures::stream::iter(lines).chain(later).map(frame);
    Ok(Response::new(StreamBody::new(all).boxed_unsync()))
}

fn line(event: &Value) -> Bytes {
    Bytes::from(format!("{event}\n"))
}

/// A pod as a Deployment's pods are, managed fields and all: about 7 kB.
fn pod(number: u64, version: u64, tag: &str) -> Value {
    let name = format!("backend-6c9f8d7b5-{number:05}");
    let image = format!("registry.example/flotilla-backend:{tag}");
    let environment: Vec<_> = (0..20)
        .map(|index| json!({"name": format!("SETTING_{index}"), "value": "some value of usual length"}))
        .collect();
    let fields: serde_json::Map<_, _> =
        (0..60).map(|index| (format!("f:field-{index}"), json!({".": {}, "f:name": {}, "f:value": {}}))).collect();
    let condition = |kind| json!({"type": kind, "status": "True", "lastTransitionTime": "2025-11-24T20:30:45Z"});
    let conditions = ["Initialized", "PodScheduled", "ContainersReady", "Ready"].map(condition);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": "flotilla", "uid": number.to_string(), "resourceVersion": version.to_string(),
            "creationTimestamp": "2025-11-24T20:30:45Z",
            "labels": {"app.kubernetes.io/name": "backend", "pod-template-hash": "6c9f8d7b5"},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "apiVersion": "v1",
                               "fieldsType": "FieldsV1", "fieldsV1": {"f:status": fields}}],
        },
        "spec": {"nodeName": format!("node-{}", number % 50), "containers": [{
            "name": "backend", "image": image, "env": environment,
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}},
        }]},
        "status": {
            "phase": "Running", "podIP": "10.42.0.7", "hostIP": "10.0.0.7",
            "conditions": conditions,
            "containerStatuses": [{
                "name": "backend", "image": image, "imageID": "sha256:0123456789abcdef", "ready": true, "started": true,
                "restartCount": 0, "state": {"running": {"startedAt": "2025-11-24T20:31:02Z"}},
            }],
        },
    })
}
