//! What a hostile name, registry or file could do, after reference lists of what others suffered: CVE-2024-37032,
//! CVE-2024-45436, CVE-2025-51471, CVE-2025-53630, CVE-2026-5530, CVE-2026-7020, CVE-2026-27940, CVE-2026-103663.

use std::path::PathBuf;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    pulling::Pulling,
    registry::{MODEL, MODEL_OF_HUGGING_FACE, digest, gguf, manifest},
};

/// No file is left, and nothing was asked for but the description.
fn assert_untouched(pulling: &Pulling, case: &str) {
    assert_eq!(pulling.files(), Vec::<PathBuf>::new(), "{case}");
    assert!(pulling.registry.asked_for_the_file().is_empty(), "{case}");
}

#[tokio::test]
async fn hostile_names_are_refused_before_anybody_is_asked() {
    let pulling = Pulling::of(gguf(100)).await;
    for name in [
        "",
        "..",
        "../../etc/passwd",
        "a/../../b",
        "qwen2.5:../../x",
        "/etc/passwd",
        "http://evil.example/model",
        "evil.example/team/model",
        "127.0.0.1:11434/a/b",
        "hf.co/../../x:y",
        "hf.co/a/b/c",
        "a\\..\\b",
        "a\u{0}b",
        "a\nb",
        "a?insecure=true",
        "file:///etc/passwd",
        "C:\\models\\x",
        "~/x",
        "%2e%2e/x",
    ] {
        let response = pulling.server.post("/api/models/pull", json!({ "model": name })).await;
        assert_eq!(
            (response.status, &response.json()["error"]["param"]),
            (StatusCode::BAD_REQUEST, &json!("model")),
            "{name:?}"
        );
        let response = pulling.server.post("/api/pull", json!({ "model": name })).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{name:?}");
    }
    assert!(pulling.registry.asked().is_empty());
}

#[tokio::test]
async fn hostile_digests_are_refused_before_they_name_anything() {
    let pulling = Pulling::of(gguf(100)).await;
    let right = digest(b"x");
    let digits = right.trim_start_matches("sha256:");
    for hostile in [
        String::new(),
        "sha256:".to_owned(),
        digits.to_owned(),
        "sha256:../../../../../../tmp/x".to_owned(),
        "../../../../../../etc/passwd".to_owned(),
        format!("sha256-{digits}"),
        format!("sha256:{}", digits.to_uppercase()),
        format!("sha256:{}", &digits[1..]),
        format!("{right}0"),
        format!("{right}/../../x"),
        format!("sha256:../{}", &digits[3..]),
        format!("sha256:{}\u{0}", &digits[1..]),
        format!("sha256:{}\n", &digits[1..]),
        format!("sha256:%2e%2e%2f{}", &digits[9..]),
        format!("sha512:{digits}"),
        format!("sha256:{}", "０".repeat(64)),
    ] {
        let hostile_manifest = manifest(&hostile, 100.into()).to_string();
        pulling.registry.behave(|behaviour| behaviour.manifest = Some(hostile_manifest));
        let refusal = pulling.refusal(MODEL).await;
        assert!(refusal.contains("no digest"), "{hostile:?}: {refusal}");

        let file = json!({ "rfilename": "some-Q4_0.gguf", "lfs": { "sha256": hostile, "size": 100 } });
        let repository = json!({ "siblings": [file] }).to_string();
        // Without its prefix a digest is right on Hugging Face.
        if hostile != digits {
            pulling.registry.behave(|behaviour| behaviour.manifest = Some(repository));
            let refusal = pulling.refusal(MODEL_OF_HUGGING_FACE).await;
            assert!(refusal.contains("no digest"), "{hostile:?}: {refusal}");
        }
        assert_untouched(&pulling, &hostile);
    }
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_refused() {
    let pulling = Pulling::of(gguf(100)).await;
    let right = digest(b"x");
    let layer = |kind: &str| json!({ "mediaType": format!("application/vnd.ollama.image.{kind}"), "digest": right, "size": 100 });
    let of_layers = |layers: Vec<Value>| json!({ "layers": layers }).to_string();
    for hostile in [
        String::new(),
        "<!doctype html>".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        of_layers(vec![]),
        of_layers(vec![layer("license")]),
        of_layers(vec![layer("model"), layer("model")]),
        of_layers(vec![layer("model"), layer("adapter")]),
        manifest(&right, 0.into()).to_string(),
        manifest(&right, (-1).into()).to_string(),
        manifest(&right, 1.5.into()).to_string(),
        manifest(&right, u64::MAX.into()).to_string(),
        manifest(&right, "100".into()).to_string(),
        manifest(&right, 100.into()).to_string() + &" ".repeat(1 << 20),
        "[".repeat(100_000),
    ] {
        let case = hostile.chars().take(100).collect::<String>();
        pulling.registry.behave(|behaviour| behaviour.manifest = Some(hostile));
        pulling.refusal(MODEL).await;
        assert_untouched(&pulling, &case);
    }
}

#[tokio::test]
async fn a_file_of_another_digest_is_thrown_away() {
    let pulling = Pulling::of(gguf(1 << 20)).await;
    let named = manifest(&digest(&gguf(1 << 20)), gguf(1 << 20).len().into()).to_string();
    let mut other = gguf(1 << 20);
    *other.last_mut().unwrap() ^= 1;
    // The blob is served under the digest that the manifest names.
    pulling.registry.behave(|behaviour| (behaviour.manifest, behaviour.serves_any_digest) = (Some(named), true));
    pulling.registry.offer(other);

    let refusal = pulling.refusal(MODEL).await;

    assert!(refusal.contains("another digest"), "{refusal}");
    assert_eq!(pulling.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_is_no_gguf_file_is_thrown_away() {
    let zip = [b"PK\x03\x04".as_slice(), &[0; 26], b"../../../../tmp/evil.gguf", &[0; 100]].concat();
    let mut tar = b"../../../../tmp/evil.gguf".to_vec();
    tar.resize(1024, 0);
    let cut_short = gguf(1 << 16)[..1 << 15].to_vec();
    let mut overflowing = gguf(1 << 16);
    overflowing[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut beyond_the_end = gguf(1 << 16);
    let offset = beyond_the_end.windows(13).position(|window| window == b"output.weight").unwrap() + 13 + 4 + 8 + 4;
    beyond_the_end[offset..offset + 8].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    for file in [
        zip,
        tar,
        b"\x1f\x8b\x08gzip".to_vec(),
        b"<!doctype html>".to_vec(),
        b"GGUF".to_vec(),
        cut_short,
        overflowing,
        beyond_the_end,
    ] {
        let pulling = Pulling::of(file).await;
        let refusal = pulling.refusal(MODEL).await;
        assert!(refusal.contains("not a model that can be used"), "{refusal}");
        assert_eq!(pulling.files(), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn a_registry_that_asks_for_credentials_gets_none_and_names_nobody_to_ask() {
    let pulling = Pulling::of(gguf(100)).await;
    for status in [401, 403] {
        pulling.registry.behave(|behaviour| behaviour.refusals = (1, status));
        let refusal = pulling.refusal(MODEL).await;
        assert!(refusal.contains("no public model"), "{refusal}");
    }
    assert_eq!(pulling.registry.asked().len(), 2);
}

#[tokio::test]
async fn redirects_that_lead_nowhere_or_elsewhere_than_the_web_are_refused() {
    let pulling = Pulling::of(gguf(100)).await;
    let itself = format!("{}/v2/library/qwen2.5/blobs/{}", pulling.registry.url, digest(&gguf(100)));
    for location in [
        itself.as_str(),
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://user:password@127.0.0.1:9/",
        "http://[",
        "",
    ] {
        pulling.registry.behave(|behaviour| behaviour.redirect = Some(location.to_owned()));
        let refusal = pulling.refusal(MODEL).await;
        assert!(refusal.contains("redirects to where this server does not go"), "{location}: {refusal}");
    }
    let asked = pulling.registry.asked_for_the_file().len();
    assert!(asked < 60, "{asked} requests");
}
