use std::path::PathBuf;

use axum::http::{Method, StatusCode};
use flotilla::engine::Scripted;
use serde_json::json;

use crate::{
    pulling::Pulling,
    registry::{MODEL, gguf},
    support::{TestServer, json_request},
};

#[tokio::test]
async fn all_who_ask_for_a_model_share_one_job() {
    let pulling = Pulling::of(gguf(1 << 20)).await;
    pulling.registry.behave(|behaviour| behaviour.hold_from = Some(0));

    let (one, other) = tokio::join!(pulling.start(MODEL), pulling.start(MODEL));
    let third = pulling.start("library/qwen2.5:0.5b").await;
    pulling.registry.release();

    assert_eq!((&one["id"], &one["id"]), (&other["id"], &third["id"]));
    assert_eq!(pulling.ended(&one).await["status"], "complete");
    assert_eq!(pulling.server.get("/api/jobs").await.json()["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_job_tells_how_far_it_is() {
    let pulling = Pulling::of(gguf(4 << 20)).await;
    pulling.registry.behave(|behaviour| behaviour.hold_from = Some(0));
    let job = pulling.start(MODEL).await;

    let total = gguf(4 << 20).len();
    let job = pulling.until(&job, |job| job["total_bytes"] == total && job["stage"] == "downloading").await;

    assert_eq!(job["status"], "running");
    let listed = pulling.server.get("/api/jobs").await.json();
    assert_eq!(listed["jobs"][0]["total_bytes"], total);
    pulling.registry.release();
    assert_eq!(pulling.ended(&job).await["status"], "complete");
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing_behind() {
    let pulling = Pulling::of(gguf(4 << 20)).await;
    pulling.registry.behave(|behaviour| behaviour.hold_from = Some(0));
    let job = pulling.start(MODEL).await;
    pulling.until(&job, |job| job["stage"] == "downloading").await;

    let response = pulling.server.post(&format!("/api/jobs/{}/cancel", job["id"].as_str().unwrap()), json!({})).await;
    assert_eq!(response.status, StatusCode::ACCEPTED);

    assert_eq!(pulling.ended(&job).await["status"], "cancelled");
    assert_eq!(pulling.files(), Vec::<PathBuf>::new());
    pulling.registry.release();
    assert_eq!(pulling.pull(MODEL).await["status"], "complete");
}

#[tokio::test]
async fn a_failed_job_can_be_tried_again_or_given_up() {
    let pulling = Pulling::of(gguf(4 << 20)).await;
    pulling.registry.behave(|behaviour| behaviour.refusals = (1, 400));
    let failed = pulling.pull(MODEL).await;
    assert_eq!(failed["status"], "failed");

    let response =
        pulling.server.post(&format!("/api/jobs/{}/cancel", failed["id"].as_str().unwrap()), json!({})).await;

    assert_eq!(response.status, StatusCode::ACCEPTED);
    let listed = pulling.server.get("/api/jobs").await.json();
    assert_eq!(listed["jobs"][0]["status"], "cancelled");
    assert_eq!(pulling.pull(MODEL).await["status"], "complete");
}

#[tokio::test]
async fn a_job_goes_on_after_a_restart_with_what_had_come() {
    let file = gguf(8 << 20);
    let pulling = Pulling::of(file.clone()).await;
    pulling.registry.behave(|behaviour| behaviour.hold_from = Some(3 << 20));
    let job = pulling.start(MODEL).await;
    pulling.until(&job, |job| job["done_bytes"].as_u64() > Some(0)).await;
    let before = pulling.registry.asked_for_the_file().len();
    let pulling = pulling.restarted().await;
    pulling.registry.release();

    let job = pulling.ended(&job).await;

    assert_eq!(job["status"], "complete", "{job}");
    assert!(pulling.file("qwen2.5/0.5b.gguf") == file);
    let again: u64 = pulling.registry.asked_for_the_file()[before..]
        .iter()
        .map(|asked| asked.range().unwrap())
        .map(|(start, end)| end + 1 - start)
        .sum();
    assert!(again < file.len() as u64, "{again} bytes were asked for again");
}

#[tokio::test]
async fn a_job_that_is_not_there_is_a_404() {
    let pulling = Pulling::of(gguf(100)).await;
    let path = "/api/jobs/01890000-0000-7000-8000-000000000000";
    assert_eq!(pulling.server.get(path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(pulling.server.post(&format!("{path}/cancel"), json!({})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(pulling.server.get("/api/jobs/1").await.status, StatusCode::BAD_REQUEST);
}

/// Every call that changes models, to a server with these flags.
async fn statuses(flags: &[&str], token: Option<&str>) -> Vec<StatusCode> {
    let server = TestServer::with_flags(Scripted::new(vec![]), flags).await;
    let mut statuses = Vec::new();
    for (method, path) in [
        (Method::POST, "/api/models/pull"),
        (Method::POST, "/api/models/scripted:latest/load"),
        (Method::POST, "/api/models/hf.co%2Fowner%2Frepository:Q4_0/unload"),
        (Method::DELETE, "/api/models/scripted:latest"),
        (Method::POST, "/api/jobs/01890000-0000-7000-8000-000000000000/cancel"),
        (Method::POST, "/api/pull"),
        (Method::DELETE, "/api/delete"),
    ] {
        let mut request = json_request(method, path, json!({ "model": "../not a name" }));
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        statuses.push(server.send(request).await.status);
    }
    statuses
}

#[tokio::test]
async fn models_are_not_changed_by_everybody_on_the_network() {
    let open = ["--listen-addr", "0.0.0.0:0"];
    assert_eq!(statuses(&open, None).await, [StatusCode::FORBIDDEN; 7]);

    let with_token = [&open[..], &["--access-token", "s3cret"]].concat();
    assert_eq!(statuses(&with_token, None).await, [StatusCode::UNAUTHORIZED; 7]);
    // The scripted engine keeps no models, and the other calls name none.
    let past_the_door = [
        StatusCode::BAD_REQUEST,
        StatusCode::CONFLICT,
        StatusCode::CONFLICT,
        StatusCode::CONFLICT,
        StatusCode::NOT_FOUND,
        StatusCode::BAD_REQUEST,
        StatusCode::CONFLICT,
    ];
    assert_eq!(statuses(&with_token, Some("s3cret")).await, past_the_door);
    assert_eq!(statuses(&[&open[..], &["--allow-model-changes"]].concat(), None).await, past_the_door);
    assert_eq!(statuses(&[], None).await, past_the_door);
}

#[tokio::test]
async fn the_list_of_models_says_whether_they_can_be_changed() {
    for (flags, can_change) in [
        (vec![], true),
        (vec!["--listen-addr", "0.0.0.0:0"], false),
        (vec!["--listen-addr", "0.0.0.0:0", "--allow-model-changes"], true),
        (vec!["--ollama-url", "http://127.0.0.1:9"], false),
    ] {
        let server = TestServer::with_flags(Scripted::new(vec![]), &flags).await;
        assert_eq!(server.get("/api/models").await.json()["can_change"], can_change, "{flags:?}");
    }
}

#[tokio::test]
async fn a_server_in_front_of_another_one_pulls_nothing() {
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--ollama-url", "http://127.0.0.1:9"]).await;
    let response = server.post("/api/models/pull", json!({ "model": MODEL })).await;
    assert_eq!(response.status, StatusCode::CONFLICT);
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("change them there"));
}
