use std::path::PathBuf;

use axum::http::{StatusCode, header};
use serde_json::json;

use crate::{
    pulling::Pulling,
    registry::{MODEL, MODEL_OF_HUGGING_FACE, digest, gguf},
};

const PLACE: &str = "models/qwen2.5/0.5b.gguf";

#[tokio::test]
async fn a_model_of_the_ollama_library_is_installed() {
    let file = gguf(5 << 20);
    let pulling = Pulling::of(file.clone()).await;

    let job = pulling.pull(MODEL).await;

    assert_eq!(job["status"], "complete", "{job}");
    assert_eq!((&job["model"], &job["digest"]), (&json!(MODEL), &json!(digest(&file))));
    assert_eq!((&job["done_bytes"], &job["total_bytes"]), (&json!(file.len()), &json!(file.len())));
    assert_eq!(pulling.files(), [PLACE.into(), PathBuf::from(PLACE).with_added_extension("digest")]);
    assert!(pulling.file("qwen2.5/0.5b.gguf") == file);
}

#[tokio::test]
async fn a_model_of_hugging_face_is_installed_in_the_quantisation_that_is_named() {
    let file = gguf(3 << 20);
    let pulling = Pulling::of(file.clone()).await;

    let job = pulling.pull(MODEL_OF_HUGGING_FACE).await;

    assert_eq!(job["status"], "complete", "{job}");
    assert!(pulling.file("hf.co/owner/Some-GGUF/Q4_0.gguf") == file);
    let refusal = pulling.refusal("hf.co/owner/Some-GGUF:Q2_K").await;
    assert!(refusal.contains("some-Q4_0.gguf, some-Q8_0.gguf"), "{refusal}");
}

#[tokio::test]
async fn a_file_comes_in_parts_each_of_which_is_asked_for_once() {
    let file = gguf(6 << 20);
    let pulling = Pulling::of(file.clone()).await;

    pulling.pull(MODEL).await;

    let mut ranges: Vec<_> = pulling.registry.asked_for_the_file().iter().map(|asked| asked.range().unwrap()).collect();
    ranges.sort_unstable();
    assert!(ranges.len() > 4, "{ranges:?}");
    assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
    assert_eq!((ranges[0].0, ranges.last().unwrap().1 + 1), (0, file.len() as u64));
}

#[tokio::test]
async fn a_connection_that_breaks_is_gone_on_with_where_it_broke() {
    let file = gguf(5 << 20);
    let pulling = Pulling::of(file.clone()).await;
    pulling.registry.behave(|behaviour| behaviour.cuts = (9, 300_000));

    let job = pulling.pull(MODEL).await;

    assert_eq!(job["status"], "complete", "{job}");
    assert!(pulling.file("qwen2.5/0.5b.gguf") == file);
    let starts: Vec<_> = pulling.registry.asked_for_the_file().iter().map(|asked| asked.range().unwrap().0).collect();
    assert!(starts.iter().any(|start| start % (1 << 20) != 0), "{starts:?}");
}

#[tokio::test]
async fn a_registry_that_sends_whole_files_only_is_read_by_one_connection() {
    let file = gguf(3 << 20);
    let pulling = Pulling::of(file.clone()).await;
    pulling.registry.behave(|behaviour| (behaviour.has_ranges, behaviour.cuts) = (false, (2, 100_000)));

    let job = pulling.pull(MODEL).await;

    assert_eq!(job["status"], "complete", "{job}");
    assert!(pulling.file("qwen2.5/0.5b.gguf") == file);
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again() {
    let pulling = Pulling::of(gguf(100)).await;
    pulling.registry.behave(|behaviour| behaviour.refusals = (2, 503));

    assert_eq!(pulling.pull(MODEL).await["status"], "complete");
}

#[tokio::test]
async fn a_registry_that_stays_away_is_named() {
    let pulling = Pulling::with_flags(gguf(100), &[]).await;
    pulling.registry.behave(|behaviour| behaviour.refusals = (100, 503));

    let refusal = pulling.refusal(MODEL).await;

    assert_eq!(refusal, "the Ollama library answers with status 503; try again later");
}

#[tokio::test]
async fn a_model_that_is_installed_already_is_not_fetched_again() {
    let pulling = Pulling::of(gguf(2 << 20)).await;
    pulling.pull(MODEL).await;
    let requests = pulling.registry.asked_for_the_file().len();

    assert_eq!(pulling.pull(MODEL).await["status"], "complete");

    assert_eq!(pulling.registry.asked_for_the_file().len(), requests);
}

#[tokio::test]
async fn a_newer_file_takes_the_place_of_the_installed_one() {
    let pulling = Pulling::of(gguf(1 << 20)).await;
    pulling.pull(MODEL).await;
    let newer = gguf(2 << 20);
    pulling.registry.offer(newer.clone());

    assert_eq!(pulling.pull(MODEL).await["status"], "complete");

    assert!(pulling.file("qwen2.5/0.5b.gguf") == newer);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_fetched_is_fetched_anew() {
    let file = gguf(8 << 20);
    let pulling = Pulling::of(file.clone()).await;
    pulling.registry.behave(|behaviour| behaviour.hold_from = Some(3 << 20));
    let job = pulling.start(MODEL).await;
    pulling.until(&job, |job| job["done_bytes"].as_u64() > Some(0)).await;
    pulling.registry.behave(|behaviour| behaviour.etag = "\"two\"".to_owned());
    pulling.registry.release();

    assert_eq!(pulling.ended(&job).await["status"], "complete");
    assert!(pulling.file("qwen2.5/0.5b.gguf") == file);
}

#[tokio::test]
async fn a_redirect_to_where_the_files_are_stored_is_followed_without_what_is_meant_for_the_registry() {
    let file = gguf(100_000);
    let pulling = Pulling::of(file.clone()).await;
    let storage = format!("{}/storage", pulling.registry.url.replace("127.0.0.1", "localhost"));
    pulling.registry.behave(|behaviour| behaviour.redirect = Some(storage));

    assert_eq!(pulling.pull(MODEL).await["status"], "complete");

    let stored = pulling.registry.asked().into_iter().find(|asked| asked.path == "/storage").unwrap();
    assert!(stored.range().is_some());
    for header in [header::AUTHORIZATION, header::COOKIE, header::REFERER] {
        assert!(!stored.headers.contains_key(&header), "{header}");
    }
}

#[tokio::test]
async fn a_name_that_the_registry_does_not_know_is_said_to_be_unknown() {
    let pulling = Pulling::of(gguf(100)).await;

    let refusal = pulling.refusal("qwen2.5:7b").await;

    assert_eq!(refusal, "the Ollama library has no public model 'qwen2.5:7b'; check the name");
}

#[tokio::test]
async fn a_model_larger_than_the_disk_is_not_begun() {
    let pulling = Pulling::of(gguf(100)).await;
    let size: u64 = 15 << 40;
    let manifest = crate::registry::manifest(&digest(b"x"), size.into()).to_string();
    pulling.registry.behave(|behaviour| behaviour.manifest = Some(manifest));

    let refusal = pulling.refusal(MODEL).await;

    assert!(refusal.starts_with("there is not enough room on the disk"), "{refusal}");
    assert_eq!(pulling.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_body_without_a_model_or_with_more_is_refused() {
    let pulling = Pulling::of(gguf(100)).await;
    for body in [json!({}), json!({ "model": 1 }), json!({ "model": MODEL, "url": "http://evil.example" })] {
        let response = pulling.server.post("/api/models/pull", body.clone()).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{body}");
    }
}
