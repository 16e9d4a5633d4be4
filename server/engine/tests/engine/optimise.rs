//! Other weights of the starter model, made and measured by the real llama.cpp.

use std::fs;
use std::path::PathBuf;

use flotilla_engine::optimise::{Form, Machine, growth, perplexity, quantize, speed, surprises};
use flotilla_engine::protocol::Event;
use tempfile::TempDir;

use crate::client::{Engine, OPTIONS, greedy, question, starter_model};

const MACHINE: Machine = Machine { threads: 1, gpu_layers: None };

fn quantized(form: Form) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model");
    quantize(&starter_model(), &file, form, 1).unwrap();
    (folder, file)
}

#[test]
fn the_other_weights_are_q4_0_and_smaller_and_answer() {
    let (_folder, file) = quantized(Form::Q4_0);
    let engine = Engine::start();

    let Event::Loaded { model, .. } = engine.load(&file, OPTIONS) else { panic!("it was not loaded") };

    assert_eq!((model.quantization.as_str(), model.parameters), ("Q4_0", 134_515_008));
    assert!(fs::metadata(&file).unwrap().len() < fs::metadata(starter_model()).unwrap().len());
    let answer = engine.answer(question("What is the capital of France?"), greedy(16));
    assert!(!answer.text.trim().is_empty(), "{answer:?}");
}

#[test]
fn weights_of_eight_bits_foretell_a_text_as_well() {
    let (_folder, file) = quantized(Form::Q8_0);

    let [before, after] = [&starter_model(), &file].map(|file| surprises(file, MACHINE).unwrap());

    // The second half of each of four chunks of 512 tokens, without the last token of each.
    assert_eq!((before.len(), after.len()), (4 * 255, 4 * 255));
    let growth = growth(&before, &after);
    assert!((0.98..1.02).contains(&growth.value), "{growth:?}");
    let perplexity = perplexity(&before);
    assert!((8.0..40.0).contains(&perplexity.value), "{perplexity:?}");
    assert!(growth.error < perplexity.error / perplexity.value, "{growth:?} {perplexity:?}");
}

#[test]
fn a_prompt_is_read_faster_than_an_answer_is_written() {
    let speed = speed(&starter_model(), MACHINE).unwrap();

    assert!(speed.answer > 0.0 && speed.prompt > speed.answer, "{speed:?}");
}

#[test]
fn what_is_no_model_is_neither_quantised_nor_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("page"), folder.path().join("other"));
    fs::write(&file, "<!doctype html>").unwrap();

    assert!(quantize(&file, &other, Form::Q4_0, 1).unwrap_err().to_string().contains("cannot quantise"));
    assert!(speed(&file, MACHINE).unwrap_err().to_string().contains("not a GGUF model"));
}
