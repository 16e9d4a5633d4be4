use std::path::Path;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, NAMESPACE, nobody, stranger},
    support::{Server, long_script},
};

const GROUP: &str = "apis/external.metrics.k8s.io/v1beta1";

/// A server that an API server can ask for the numbers of `servers`.
fn start(cluster: &Cluster, folder: &Path, servers: &[&Server]) -> (Server, String) {
    let servers: Vec<_> = servers.iter().map(|server| server.url.trim_start_matches("http://")).collect();
    let servers = servers.join(",");
    let settings =
        [cluster.setting(), ("EXTERNAL_METRICS_ADDR", "127.0.0.1:0"), ("EXTERNAL_METRICS_SERVERS", &servers)];
    let server = Server::start_with(&settings, &folder.join("asked"), "");
    let log = server.log();
    let (_, address) = log.split_once("address=").unwrap_or_else(|| panic!("{log}"));
    let address = format!("https://{}", address.split_whitespace().next().unwrap());
    (server, address)
}

/// A server that takes its time with each answer.
fn slow(folder: &Path, name: &str) -> Server {
    let folder = folder.join(name);
    std::fs::create_dir(&folder).unwrap();
    Server::start(&folder.join("data"), &long_script(), 5)
}

/// An answer that has begun, and goes on as long as the response is held.
async fn begin_answer(server: &Server) -> Response {
    let request = json!({ "model": "scripted", "stream": true, "messages": [{ "role": "user", "content": "count" }] });
    let request = server.client.post(format!("{}/v1/chat/completions", server.url)).json(&request);
    let mut answer = request.send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    answer
}

async fn get(client: &Client, url: String) -> (StatusCode, Value) {
    let response = client.get(url).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn metric(address: &str, name: &str) -> String {
    format!("{address}/{GROUP}/namespaces/{NAMESPACE}/{name}")
}

#[tokio::test]
async fn an_autoscaler_is_told_the_answers_of_all_servers_together() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let (first, second) = (slow(folder.path(), "first"), slow(folder.path(), "second"));
    let (_server, address) = start(&cluster, folder.path(), &[&first, &second]);
    let api_server = cluster.client("front-proxy-client");
    let _running = [begin_answer(&first).await, begin_answer(&first).await, begin_answer(&second).await];

    let (status, list) = get(&api_server, metric(&address, "flotilla_answers_in_flight")).await;

    assert_eq!(status, StatusCode::OK, "{list}");
    assert_eq!(list["kind"], "ExternalMetricValueList");
    assert_eq!(list["apiVersion"], "external.metrics.k8s.io/v1beta1");
    let timestamp = list["items"][0]["timestamp"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(timestamp).is_ok(), "{timestamp}");
    let item = json!({
        "metricName": "flotilla_answers_in_flight",
        "metricLabels": {},
        "timestamp": timestamp,
        "value": "3",
    });
    assert_eq!(list["items"], json!([item]));
    let (_, waiting) = get(&api_server, metric(&address, "flotilla_queue_depth")).await;
    assert_eq!(waiting["items"][0]["value"], "0", "a metric that is zero is told, too: {waiting}");
}

#[tokio::test]
async fn every_gauge_is_found_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let (_server, address) = start(&cluster, folder.path(), &[]);
    let api_server = cluster.client("front-proxy-client");

    let (status, list) = get(&api_server, format!("{address}/{GROUP}")).await;

    assert_eq!(status, StatusCode::OK, "{list}");
    assert_eq!(
        (&list["kind"], &list["groupVersion"]),
        (&json!("APIResourceList"), &json!(GROUP.trim_start_matches("apis/")))
    );
    let resources = list["resources"].as_array().unwrap();
    let in_flight = resources.iter().find(|resource| resource["name"] == "flotilla_answers_in_flight").unwrap();
    assert_eq!(in_flight["kind"], "ExternalMetricValueList");
    assert_eq!((&in_flight["namespaced"], &in_flight["verbs"]), (&json!(true), &json!(["get"])));
    for resource in resources {
        let name = resource["name"].as_str().unwrap();
        assert!(!name.ends_with("_total") && !name.ends_with("_bucket"), "{name} is no gauge");
        let (status, values) = get(&api_server, metric(&address, name)).await;
        assert_eq!(status, StatusCode::OK, "{values}");
    }
    let elsewhere = format!("{address}/{GROUP}/namespaces/elsewhere/flotilla_answers_in_flight");
    let counter = metric(&address, "flotilla_answers_total");
    for url in [metric(&address, "made_up"), counter, elsewhere, format!("{address}/apis")] {
        let (status, answer) = get(&api_server, url).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let expected = (&json!("Status"), &json!("Failure"), &json!("NotFound"), &json!(404));
        assert_eq!((&answer["kind"], &answer["status"], &answer["reason"], &answer["code"]), expected, "{answer}");
    }
}

#[tokio::test]
async fn a_selector_leaves_out_what_has_other_labels() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let (_server, address) = start(&cluster, folder.path(), &[]);
    let api_server = cluster.client("front-proxy-client");
    let selected = async |selector: &str| {
        let url = metric(&address, "flotilla_answers_in_flight") + "?labelSelector=" + selector;
        get(&api_server, url).await
    };

    assert_eq!(selected("").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(selected("!model").await.1["items"].as_array().unwrap().len(), 1);
    assert_eq!(selected("model%3Dsmollm2").await.1["items"], json!([]));
    let (status, answer) = selected("a%20b").await;
    assert_eq!((status, &answer["reason"]), (StatusCode::BAD_REQUEST, &json!("BadRequest")));
}

#[tokio::test]
async fn a_server_that_has_ended_has_no_answers_and_one_that_does_not_tell_its_numbers_makes_no_sum_too_small() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let (staying, leaving) = (slow(folder.path(), "staying"), slow(folder.path(), "leaving"));
    let (_server, address) = start(&cluster, folder.path(), &[&staying, &leaving]);
    let api_server = cluster.client("front-proxy-client");
    let _running = begin_answer(&staying).await;
    let in_flight = metric(&address, "flotilla_answers_in_flight");

    leaving.kill().await;
    assert_eq!(get(&api_server, in_flight.clone()).await.1["items"][0]["value"], "1");
    staying.signal("STOP");
    let (status, answer) = get(&api_server, in_flight).await;
    staying.signal("CONT");

    assert_eq!(
        (status, &answer["reason"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("ServiceUnavailable")),
        "{answer}"
    );
    assert!(!answer["message"].as_str().unwrap().contains("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn nobody_but_the_front_proxy_of_the_api_server_gets_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let (_server, address) = start(&cluster, folder.path(), &[]);
    let url = metric(&address, "flotilla_answers_in_flight");

    for client in [nobody(), stranger(), cluster.client("system:node:here")] {
        assert!(client.get(&url).send().await.is_err());
    }
    assert_eq!(get(&cluster.client("front-proxy-client"), url).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_pod_costs_as_much_as_it_writes_answers() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).await;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.envs([cluster.setting(), ("POD_DELETION_COST", "true"), ("POD_NAME", "backend-1")]);
    let server = Server::start_by(command, &folder.path().join("data"), &long_script(), 5);

    cluster.until_it_costs("backend-1", "0").await;
    let running = [begin_answer(&server).await, begin_answer(&server).await];
    cluster.until_it_costs("backend-1", "2").await;
    drop(running);
    cluster.until_it_costs("backend-1", "0").await;
}
