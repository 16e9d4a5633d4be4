use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use crate::{
    registry::{MODEL, MODEL_OF_HUGGING_FACE, Registry, gguf},
    support::Server,
};

fn pull(folder: &Path, registry: &Registry, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.arg("pull").args(arguments).arg("--data-dir").arg(folder);
    command.args(["--ollama-registry-url", &registry.url, "--hugging-face-url", &registry.url]);
    command.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn pulled(folder: &Path, registry: &Registry, arguments: &[&str]) -> Output {
    pull(folder, registry, arguments).output().await.unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The job when `is_reached` says so.
async fn until(server: &Server, job: &Value, is_reached: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/jobs/{}", job["id"].as_str().unwrap());
    let reaching = async {
        loop {
            let job = server.get(&path).await;
            if is_reached(&job) {
                return job;
            }
        }
    };
    timeout(Duration::from_secs(60), reaching).await.expect("the job does not get there")
}

fn first_parts_only(registry: &Registry) {
    registry.behave(|behaviour| behaviour.hold_from = Some(3 << 20));
}

fn bytes_asked_for(registry: &Registry, after: usize) -> u64 {
    let ranges = registry.asked_for_the_file()[after..].iter().map(|asked| asked.range().unwrap()).collect::<Vec<_>>();
    ranges.into_iter().map(|(start, end)| end + 1 - start).sum()
}

#[tokio::test]
async fn a_killed_server_goes_on_with_its_download_when_it_is_started_again() {
    let (folder, file) = (tempfile::tempdir().unwrap(), gguf(8 << 20));
    let (data, registry) = (folder.path().join("data"), Registry::offering(file.clone()).await);
    first_parts_only(&registry);
    let server = Server::start_empty(&data, &registry.url);
    let (_, job) = server.post("/api/models/pull", json!({ "model": MODEL })).await;
    until(&server, &job, |job| job["done_bytes"].as_u64() >= Some(3 << 20)).await;
    server.kill().await;
    let before = registry.asked_for_the_file().len();

    let server = Server::start_empty(&data, &registry.url);
    registry.release();
    let job = until(&server, &job, |job| job["status"] != "running").await;

    assert_eq!(job["status"], "complete", "{job}");
    assert!(fs::read(data.join("models/qwen2.5/0.5b.gguf")).unwrap() == file);
    assert!(bytes_asked_for(&registry, before) <= file.len() as u64 - (3 << 20));
    assert_eq!(server.get("/api/models").await["models"][0]["id"], MODEL);
}

#[tokio::test]
async fn the_command_line_installs_a_model_and_goes_on_where_it_was_killed() {
    let (folder, file) = (tempfile::tempdir().unwrap(), gguf(8 << 20));
    let registry = Registry::offering(file.clone()).await;
    first_parts_only(&registry);
    let mut killed = pull(folder.path(), &registry, &[MODEL]).spawn().unwrap();
    let record = folder.path().join("models/qwen2.5/0.5b.gguf.partial.json");
    let recorded = async {
        while !fs::read_to_string(&record).is_ok_and(|record| record.contains("\"done\":[1048576,1048576,1048576,0")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), recorded).await.expect("what has come is written down");
    killed.kill().await.unwrap();
    let before = registry.asked_for_the_file().len();
    registry.release();

    let output = pulled(folder.path(), &registry, &[MODEL]).await;

    assert!(output.status.success(), "{}", said(&output.stderr));
    assert_eq!(said(&output.stdout), "qwen2.5:0.5b is installed\n");
    assert!(said(&output.stderr).contains("100 %, 8 of 8 MB"), "{}", said(&output.stderr));
    assert!(fs::read(folder.path().join("models/qwen2.5/0.5b.gguf")).unwrap() == file);
    assert!(bytes_asked_for(&registry, before) <= file.len() as u64 - (3 << 20));
}

#[tokio::test]
async fn the_command_line_installs_from_hugging_face_too() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::offering(gguf(1000)).await);

    let output = pulled(folder.path(), &registry, &[MODEL_OF_HUGGING_FACE]).await;

    assert!(output.status.success(), "{}", said(&output.stderr));
    assert!(fs::read(folder.path().join("models/hf.co/owner/Some-GGUF/Q4_0.gguf")).unwrap() == gguf(1000));
}

#[tokio::test]
async fn of_two_programs_that_pull_the_same_model_one_is_told_to_wait() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::offering(gguf(1 << 20)).await);
    registry.behave(|behaviour| behaviour.hold_from = Some(0));
    let _first = pull(folder.path(), &registry, &[MODEL]).spawn().unwrap();
    let partial = folder.path().join("models/qwen2.5/0.5b.gguf.partial");
    let begun = async {
        while !fs::metadata(&partial).is_ok_and(|partial| partial.len() > 0) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), begun).await.expect("the first one begins");

    let output = pulled(folder.path(), &registry, &[MODEL]).await;

    assert!(!output.status.success());
    assert!(said(&output.stderr).contains("another Flotilla is downloading this model"), "{}", said(&output.stderr));
}

fn model_file(folder: &TempDir, name: &str, content: &[u8]) -> String {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_of_this_computer_is_installed_under_its_own_name_or_another() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::offering(gguf(100)).await);
    let file = model_file(&folder, "My-Model-Q4_0.gguf", &gguf(1000));

    let output = pulled(folder.path(), &registry, &[&file]).await;
    assert_eq!(said(&output.stdout), "my-model-q4_0:latest is installed\n", "{}", said(&output.stderr));
    let output = pulled(folder.path(), &registry, &[&file, "--as", "mine:1b"]).await;
    assert_eq!(said(&output.stdout), "mine:1b is installed\n", "{}", said(&output.stderr));

    for place in ["my-model-q4_0/latest.gguf", "mine/1b.gguf"] {
        assert!(fs::read(folder.path().join("models").join(place)).unwrap() == gguf(1000), "{place}");
    }
    assert!(registry.asked().is_empty());
}

#[tokio::test]
async fn a_file_that_does_not_fit_the_disk_is_not_copied() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::offering(gguf(100)).await);
    let file = model_file(&folder, "huge.gguf", &gguf(1000));
    fs::File::options().write(true).open(&file).unwrap().set_len(15 << 40).unwrap();

    let output = pulled(folder.path(), &registry, &[&file]).await;

    assert!(!output.status.success());
    assert!(said(&output.stderr).contains("there is not enough room on the disk"), "{}", said(&output.stderr));
    assert_eq!(fs::read_dir(folder.path().join("models/huge")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_a_killed_copy_has_left_goes_with_the_next_and_what_is_being_copied_stays() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::offering(gguf(100)).await);
    let file = model_file(&folder, "model.gguf", &gguf(1000));
    let copy = |place: &str| {
        let path = folder.path().join("models").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        (fs::File::create(&path).unwrap(), path)
    };
    let (left_over, busy) = (copy("hf.co/owner/Some-GGUF/Q4_0.gguf.copy"), copy("other/1b.gguf.copy"));
    drop(left_over.0);
    busy.0.lock().unwrap();

    let output = pulled(folder.path(), &registry, &[&file, "--as", "mine:1b"]).await;
    assert!(output.status.success(), "{}", said(&output.stderr));
    assert!(!left_over.1.exists() && busy.1.exists());

    let output = pulled(folder.path(), &registry, &[&file, "--as", "other:1b"]).await;
    assert!(said(&output.stderr).contains("another Flotilla is"), "{}", said(&output.stderr));
}

#[tokio::test]
async fn a_file_that_is_no_model_and_a_name_that_is_none_are_refused() {
    let (folder, registry) = (tempfile::tempdir().unwrap(), Registry::offering(gguf(100)).await);
    let archive = model_file(&folder, "model.gguf", b"PK\x03\x04");
    for (arguments, reason) in [
        (vec![archive.as_str()], "not a GGUF model"),
        (vec!["../../etc/passwd"], "not a model's name"),
        (vec!["missing", "--as", "mine"], "there is no file missing"),
        (vec!["missing"], "no public model 'missing:latest'"),
    ] {
        let output = pulled(folder.path(), &registry, &arguments).await;
        assert!(!output.status.success(), "{arguments:?}");
        assert!(said(&output.stderr).contains(reason), "{arguments:?}: {}", said(&output.stderr));
    }
}
