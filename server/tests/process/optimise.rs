//! `flotilla optimize` with the starter model and the real llama.cpp.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use flotilla::models::Catalogue;
use flotilla_engine::optimise::Form;
use serde_json::json;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    registry::gguf,
    support::{Server, link_starter_model, starter_model},
};

const STARTER: &str = "smollm2:135m";
const PLACE: &str = "models/smollm2/135m.gguf";

fn optimize(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    // One thread, because the tests run side by side.
    command.arg("optimize").args(arguments).args(["--threads", "1", "--data-dir"]).arg(folder);
    command.env_remove("RUST_LOG").env_remove("MODELS_DIR");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn optimized(folder: &Path, arguments: &[&str]) -> Output {
    optimize(folder, arguments).output().await.unwrap()
}

/// What it says on stdout, having succeeded.
async fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = optimized(folder, arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What it says on stderr, having failed.
async fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = optimized(folder, arguments).await;
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A data folder with the starter model.
fn with_starter_model() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    link_starter_model(&data.join(PLACE));
    (folder, data)
}

/// A data folder with this file in its place.
fn with_file(content: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir_all(data.join("models/smollm2")).unwrap();
    fs::write(data.join(PLACE), content).unwrap();
    (folder, data)
}

/// The quantisation of the weights that the only installed model runs from.
fn in_use(folder: &Path) -> &'static str {
    let [model] = &Catalogue::new(folder.join("models")).installed().unwrap()[..] else { panic!("one is installed") };
    model.metadata.as_ref().unwrap().quantization.unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join(PLACE).parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_model_runs_on_the_new_weights_and_after_undoing_it_on_its_own_which_were_never_touched() {
    let (_folder, data) = with_starter_model();
    let before = fs::read(data.join(PLACE)).unwrap();

    let shown = said(&data, &[STARTER, "--force"]).await;

    for words in ["Q4_1", "Q4_0", "tokens of a prompt", "tokens of an answer", "perplexity", "--undo` goes back"] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    assert_eq!(in_use(&data), "Q4_0");
    assert!(fs::read(data.join(PLACE)).unwrap() == before);
    let server = Server::launch(serving(&data), &data);
    let body = json!({ "model": STARTER, "prompt": "Once upon a time", "max_tokens": 8, "temperature": 0 });
    let (status, answer) = server.post("/v1/completions", body).await;
    assert!(answer["choices"][0]["text"].as_str().is_some_and(|text| !text.trim().is_empty()), "{status} {answer}");
    assert_eq!(server.get("/api/models").await["models"][0]["quantization"], "Q4_0");
    assert!(server.log().contains("135m.gguf.optimised"), "{}", server.log());

    assert_eq!(said(&data, &[STARTER]).await, shown, "what was measured is shown again");
    assert!(said(&data, &[STARTER, "--undo"]).await.contains("its own weights again"));

    assert_eq!(in_use(&data), "Q4_1");
    assert!(fs::read(data.join(PLACE)).unwrap() == before);
    assert_eq!(files(&data), ["135m.gguf", "135m.gguf.optimised.json"]);
    assert!(refusal(&data, &[STARTER, "--undo"]).await.contains("nothing to undo"));
    assert_eq!(said(&data, &[STARTER, "--once"]).await, "", "what was undone is not done again by itself");
}

fn serving(data: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(["serve", "--threads", "1", "--context-length", "512", "--models-dir"]).arg(data.join("models"));
    command
}

#[tokio::test]
async fn killed_at_work_it_leaves_the_model_whole_and_is_not_tried_again_by_itself() {
    let (_folder, data) = with_starter_model();
    let mut killed = optimize(&data, &[STARTER, "--force"]).spawn().unwrap();
    let unfinished = data.join("models/smollm2/135m.gguf.optimised.partial");
    let is_written = async {
        while !fs::metadata(&unfinished).is_ok_and(|file| file.len() > 10 << 20) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), is_written).await.expect("it does not begin to write");

    let busy = refusal(&data, &[STARTER]).await;
    assert!(busy.contains("another Flotilla is optimising it"), "{busy}");
    killed.kill().await.unwrap();

    assert_eq!(in_use(&data), "Q4_1");
    assert!(fs::read(data.join(PLACE)).unwrap() == fs::read(starter_model()).unwrap());
    assert_eq!(said(&data, &[STARTER, "--once"]).await, "");
    // Even a command that has nothing to do cleans up.
    assert!(refusal(&data, &[STARTER, "--undo"]).await.contains("nothing to undo"));
    assert_eq!(files(&data), ["135m.gguf", "135m.gguf.optimised.json"]);
}

#[tokio::test]
async fn what_cannot_be_optimised_is_refused_with_what_to_do() {
    let (_folder, starter) = with_starter_model();
    let (_other, page) = with_file(b"<!doctype html>");
    let (_another, header_alone) = with_file(&gguf(1000));
    let empty = tempfile::tempdir().unwrap();
    let not_installed =
        "qwen2.5:latest is not installed; `flotilla pull qwen2.5:latest` gets it. Installed are: smollm2:135m";
    for (data, name, reason) in [
        (empty.path(), STARTER, "no model is installed in"),
        (&starter, "qwen2.5", not_installed),
        (&page, STARTER, "not a GGUF model"),
        (&header_alone, STARTER, "llama.cpp cannot quantise this model"),
    ] {
        let said = refusal(data, &[name]).await;
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

#[tokio::test]
async fn a_model_that_has_such_weights_already_is_refused() {
    let (folder, data) = with_starter_model();
    let other = folder.path().join("other");
    flotilla_engine::optimise::quantize(&starter_model(), &other, Form::Q4_0, 1).unwrap();
    fs::rename(other, data.join(PLACE)).unwrap();

    assert!(refusal(&data, &[STARTER]).await.contains("are Q4_0 already"));

    assert_eq!(files(&data), ["135m.gguf"]);
}
