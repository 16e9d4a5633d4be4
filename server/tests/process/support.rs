//! A `flotilla serve` of its own for each test, on a free port.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use futures::StreamExt;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{process::Child, time::timeout};

pub struct Server {
    process: Child,
    pub url: String,
    pub client: Client,
    log: PathBuf,
}

impl Server {
    /// Serve the words of `script`, one every `delay_ms`, from `folder`.
    pub fn start(folder: &Path, script: &str, delay_ms: u32) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_flotilla")), folder, script, delay_ms)
    }

    /// The same through another program that runs the server in the end.
    pub fn start_by(mut command: Command, folder: &Path, script: &str, delay_ms: u32) -> Self {
        let script_file = folder.parent().unwrap().join("script.txt");
        fs::write(&script_file, script).unwrap();
        command.arg("serve").arg("--script").arg(script_file).args(["--script-delay-ms", &delay_ms.to_string()]);
        Self::launch(command, folder)
    }

    /// A server with the own engine and no model yet; its registry is `registry`.
    pub fn start_empty(folder: &Path, registry: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.args(["serve", "--ollama-registry-url", registry]);
        Self::launch(command, folder)
    }

    fn launch(mut command: Command, folder: &Path) -> Self {
        let log = folder.with_extension("log");
        command.args(["--listen-addr", "127.0.0.1:0", "--header-timeout", "1"]).arg("--data-dir").arg(folder);
        let (output, stdout) = io::pipe().unwrap();
        command.env_remove("RUST_LOG").stdout(stdout).stderr(File::create(&log).unwrap());
        // The command holds the pipe's other end, so it has to go before the first line is waited for.
        let process = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { process, url, client: Client::new(), log }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.client.post(format!("{}{path}", self.url)).json(&body).send().await.unwrap();
        (response.status(), response.json().await.unwrap_or_default())
    }

    /// Send a first message; returns the conversation's id and the turn.
    pub async fn send(&self, content: &str) -> (String, Value) {
        let (_, conversation) = self.post("/api/conversations", json!({})).await;
        let id = conversation["id"].as_str().unwrap().to_owned();
        let (status, turn) =
            self.post(&format!("/api/conversations/{id}/messages"), json!({ "content": content })).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{turn}");
        (id, turn)
    }

    /// Read a run's events until they contain `text`, or to their end; returns what was read.
    pub async fn read_until(&self, run: &Value, text: &str) -> String {
        let url = format!("{}/api/runs/{}/events", self.url, run.as_str().unwrap());
        let mut pieces = self.client.get(url).send().await.unwrap().bytes_stream();
        let mut read = String::new();
        while !read.contains(text) {
            let Some(Ok(piece)) = pieces.next().await else { break };
            read.push_str(&String::from_utf8_lossy(&piece));
        }
        read
    }

    /// A path as this server sees it, when it has a mount namespace of its own.
    pub fn inside(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.process.id().unwrap(), path.display()))
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.process.id().unwrap().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Wait for the program's end.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(Duration::from_secs(20), self.process.wait()).await.expect("the server does not end").unwrap()
    }
}

/// Many words, so that an answer lasts.
pub fn long_script() -> String {
    (0..5000).map(|number| format!("word{number} ")).collect()
}
