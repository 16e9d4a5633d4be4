//! Grafana's dashboards ask for series by name, and a name that nobody exports is an empty panel without an error.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::support::TestServer;

#[tokio::test]
async fn every_query_of_a_dashboard_names_a_series_that_the_server_exports() {
    let server = TestServer::answering(&["one ", "two"]).await;
    let id = server.conversation().await;
    server.turn(&id, None, "count").await;
    let metrics = server.get("/metrics").await.text();
    let exported: BTreeSet<_> = metrics.lines().flat_map(series).collect();

    let queries = queries();
    assert!(!queries.is_empty(), "there is no dashboard");
    for query in queries {
        let asked: Vec<_> = series(&query).collect();
        assert!(!asked.is_empty(), "this query asks for nothing of ours: {query}");
        for name in asked {
            assert!(exported.contains(name), "nobody exports {name}, which a dashboard asks for: {query}");
        }
    }
}

/// The names in a query or in a line of `/metrics` that are ours.
fn series(text: &str) -> impl Iterator<Item = &str> {
    let is_part_of_a_name = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    text.split(move |character| !is_part_of_a_name(character)).filter(|name| name.starts_with("flotilla_"))
}

fn queries() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/components/observability/grafana/dashboards");
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
    let dashboards = files.map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
    dashboards.flat_map(|dashboard| dashboard["panels"].as_array().unwrap().clone()).flat_map(expressions).collect()
}

fn expressions(panel: Value) -> Vec<String> {
    let targets = panel["targets"].as_array().unwrap_or_else(|| panic!("a panel without queries: {panel}"));
    targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}
