//! Files that are models, and files that are not.

use std::fs;
use std::path::Path;

use flotilla_engine::protocol::{ErrorCode, Event, LoadOptions};

use crate::client::{Engine, OPTIONS, greedy, question, starter_model};

/// The error for a file with this content, from an engine that must then still load the starter model.
fn refusal(content: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    fs::write(&path, content).unwrap();
    refusal_of(&path)
}

fn refusal_of(path: &Path) -> String {
    let engine = Engine::start();
    let Event::Error { code, message, .. } = engine.load(path, OPTIONS) else { panic!("it was loaded") };
    assert_eq!(code, ErrorCode::ModelUnusable);
    assert!(matches!(engine.load(&starter_model(), OPTIONS), Event::Loaded { .. }));
    message
}

#[test]
fn a_model_says_what_it_is() {
    let engine = Engine::start();

    let Event::Loaded { model, .. } = engine.load(&starter_model(), OPTIONS) else { panic!("it was not loaded") };

    assert_eq!(model.architecture, "llama");
    assert_eq!(model.quantization, "Q4_1");
    assert_eq!(model.parameters, 134_515_008);
    assert_eq!((model.context_length, model.trained_context_length), (1024, 8192));
}

#[test]
fn a_missing_file_is_named_as_such() {
    assert!(refusal_of(Path::new("/nonexistent/model.gguf")).contains("cannot be read"));
}

#[test]
fn a_file_of_another_kind_is_refused() {
    assert!(refusal(b"<!doctype html><title>Not found</title>").contains("not a GGUF model"));
}

#[test]
fn a_download_that_was_cut_short_is_refused() {
    let whole = fs::read(starter_model()).unwrap();

    assert!(refusal(&whole[..whole.len() / 2]).contains("cut short"));
}

#[test]
fn a_damaged_header_is_refused() {
    let mut damaged = fs::read(starter_model()).unwrap();
    damaged[24..32].fill(0xff);

    assert!(refusal(&damaged).contains("cut short"));
}

#[test]
fn an_architecture_that_llama_cpp_does_not_know_is_refused() {
    let mut unknown = fs::read(starter_model()).unwrap();
    let name = unknown.windows(5).position(|bytes| bytes == b"llama").unwrap();
    unknown[name..name + 5].copy_from_slice(b"mlala");

    assert!(refusal(&unknown).contains("cannot run this model"));
}

#[test]
fn an_option_out_of_range_is_named() {
    let engine = Engine::start();

    let event = engine.load(&starter_model(), LoadOptions { slots: 0, ..OPTIONS });

    let Event::Error { code, message, .. } = event else { panic!("{event:?}") };
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.starts_with("`slots`"), "{message}");
}

#[test]
fn nothing_is_generated_before_a_model_is_loaded() {
    let engine = Engine::start();

    let (code, _) = engine.generate(question("hi"), greedy(1)).error();

    assert_eq!(code, ErrorCode::InvalidRequest);
}
