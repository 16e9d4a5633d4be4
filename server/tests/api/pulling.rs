//! A server whose models come from a registry on loopback.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::http::StatusCode;
use flotilla::{
    engine::{EngineCommand, Local, Scripted},
    models::jobs,
};
use futures::{StreamExt, pin_mut};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{registry::Registry, support::TestServer};

pub struct Pulling {
    pub server: TestServer,
    pub registry: Registry,
    folder: TempDir,
}

impl Pulling {
    pub async fn of(file: Vec<u8>) -> Self {
        Self::with_flags(file, &[]).await
    }

    pub async fn with_flags(file: Vec<u8>, flags: &[&str]) -> Self {
        let (registry, folder) = (Registry::offering(file).await, tempfile::tempdir().unwrap());
        let models = folder.path().join("models");
        let sources = [
            "--models-dir",
            models.to_str().unwrap(),
            "--ollama-registry-url",
            &registry.url,
            "--hugging-face-url",
            &registry.url,
        ];
        let server = TestServer::with_flags(Scripted::new(vec![]), &[&sources, flags].concat()).await;
        Self { server, registry, folder }
    }

    /// The same in front of the own engine, whose processes cannot start.
    pub fn with_own_engine(self) -> Self {
        let command = EngineCommand { program: "false".into(), args: Vec::new() };
        let engine = Local::new(command, &self.server.state.config).unwrap();
        Self { server: self.server.with_engine(Arc::new(engine)), ..self }
    }

    /// The same after a restart, where what was left unfinished goes on.
    pub async fn restarted(self) -> Self {
        let server = self.server.restarted(Scripted::new(vec![])).await;
        tokio::spawn(jobs::adopt_abandoned(server.state.clone()));
        Self { server, ..self }
    }

    /// Ask for a model; the job.
    pub async fn start(&self, model: &str) -> Value {
        let response = self.server.post("/api/models/pull", json!({ "model": model })).await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text());
        response.json()
    }

    /// The job when `is_reached` says so.
    pub async fn until(&self, job: &Value, is_reached: impl Fn(&Value) -> bool) -> Value {
        let id = job["id"].as_str().unwrap();
        let changes = jobs::follow(self.server.state.clone(), id.parse().unwrap());
        pin_mut!(changes);
        while let Some(change) = changes.next().await {
            change.unwrap();
            let job = self.server.get(&format!("/api/jobs/{id}")).await.json();
            if is_reached(&job) {
                return job;
            }
        }
        panic!("the job has ended otherwise: {}", self.server.get(&format!("/api/jobs/{id}")).await.text());
    }

    pub async fn ended(&self, job: &Value) -> Value {
        self.until(job, |job| job["status"] != "running").await
    }

    /// Pull a model; the job at its end.
    pub async fn pull(&self, model: &str) -> Value {
        self.ended(&self.start(model).await).await
    }

    /// Pull a model that cannot be; why.
    pub async fn refusal(&self, model: &str) -> String {
        let job = self.pull(model).await;
        assert_eq!(job["status"], "failed", "{job}");
        job["error"].as_str().unwrap().to_owned()
    }

    pub fn file(&self, path: &str) -> Vec<u8> {
        fs::read(self.folder.path().join("models").join(path)).unwrap()
    }

    /// Write a file into the models folder, as its user may.
    pub fn put(&self, path: &str, content: &[u8]) {
        let path = self.folder.path().join("models").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Every file in the models folder and around it.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.folder.path(), self.folder.path(), &mut found);
        found.sort();
        found
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(root, &path, found) } else { found.push(path.strip_prefix(root).unwrap().to_owned()) }
    }
}
