//! A `flotilla serve` of its own for each test, on a free port.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use flotilla::{Config, config::Secret};
use reqwest::{Client, Response, StatusCode};
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

    /// The same on this database, and it drains for a second only.
    pub fn start_on(database: &Secret, folder: &Path, script: &str, delay_ms: u32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.env("DATABASE_URL", database.expose()).env("DRAIN_TIMEOUT", "1");
        Self::start_by(command, folder, script, delay_ms)
    }

    /// The same through another program that runs the server in the end.
    pub fn start_by(mut command: Command, folder: &Path, script: &str, delay_ms: u32) -> Self {
        let script_file = folder.parent().unwrap().join("script.txt");
        fs::write(&script_file, script).unwrap();
        command.arg("serve").arg("--script").arg(script_file).args(["--script-delay-ms", &delay_ms.to_string()]);
        Self::launch(command, folder)
    }

    /// Serve the starter model. One thread, because the tests run side by side.
    pub fn with_starter_model(folder: &Path) -> Self {
        Self::with_starter_model_and(&[], folder)
    }

    /// The same with these settings.
    pub fn with_starter_model_and(settings: &[(&str, &str)], folder: &Path) -> Self {
        let models = folder.join("models");
        link_starter_model(&models.join("smollm2/135m.gguf"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.envs(settings.iter().copied());
        command.arg("serve").args(["--threads", "1", "--context-length", "1024", "--models-dir"]).arg(models);
        Self::launch(command, folder)
    }

    /// The same with these settings.
    pub fn start_with(settings: &[(&str, &str)], folder: &Path, script: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.envs(settings.iter().copied());
        Self::start_by(command, folder, script, 0)
    }

    /// In front of the OpenAI-compatible server at `upstream`.
    pub fn in_front_of(upstream: &str, settings: &[(&str, &str)], folder: &Path) -> Self {
        let url = format!("{upstream}/v1");
        Self::serving(&[settings, &[("OPENAI_BASE_URL", url.as_str())]].concat(), folder)
    }

    /// With these settings and no others.
    pub fn serving(settings: &[(&str, &str)], folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.envs(settings.iter().copied()).arg("serve");
        Self::launch(command, folder)
    }

    /// A server with the own engine and no model yet; its registry is `registry`.
    pub fn start_empty(folder: &Path, registry: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
        command.args(["serve", "--ollama-registry-url", registry]);
        Self::launch(command, folder)
    }

    /// The same with a command that says all but where it listens and keeps its data.
    pub fn launch(mut command: Command, folder: &Path) -> Self {
        let log = folder.with_extension("log");
        command.args(["--listen-addr", "127.0.0.1:0", "--header-timeout", "1", "--data-dir"]).arg(folder);
        let (output, stdout) = io::pipe().unwrap();
        // What a test does not set, nobody sets.
        if !command.get_envs().any(|(name, _)| name == "RUST_LOG") {
            command.env_remove("RUST_LOG");
        }
        command.stdout(stdout).stderr(File::create(&log).unwrap());
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

    /// Everything in `/metrics`.
    pub async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap()
    }

    /// Wait until `/metrics` holds this line.
    pub async fn has_metric(&self, line: &str) {
        while !self.metrics().await.lines().any(|found| found == line) {}
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

    /// Follow a run behind the event with the number `after`.
    pub async fn follow(&self, run: &Value, after: u64) -> Follower {
        Follower::try_open(&self.client, &self.url, run, after).await.unwrap()
    }

    /// Read a run's events until they contain `text`, or to their end; returns what was read.
    pub async fn read_until(&self, run: &Value, text: &str) -> String {
        let mut follower = self.follow(run, 0).await;
        follower.until(text).await;
        follower.read
    }

    /// A path as this server sees it, when it has a mount namespace of its own.
    pub fn inside(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.process.id().unwrap(), path.display()))
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Wait until the log says this.
    pub async fn logs(&self, words: &str) {
        while !self.log().contains(words) {
            tokio::task::yield_now().await;
        }
    }

    /// What it has logged in all, once it has ended by itself.
    pub async fn log_at_the_end(self) -> String {
        let log = self.log.clone();
        assert!(self.ended().await.success());
        fs::read_to_string(log).unwrap()
    }

    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Let the program stand still, or go on: `STOP` or `CONT`.
    pub fn signal(&self, signal: &str) {
        let process = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &process]).status().unwrap().success());
    }

    /// Let the engine processes end without a word, or stand still: `KILL` or `STOP`, as soon as there is one.
    pub async fn signal_engines(&self, signal: &str) {
        let server = self.process.id().unwrap();
        loop {
            let children = children_of(server);
            if !children.is_empty() {
                let sent = Command::new("kill").arg(format!("-{signal}")).args(children).status();
                assert!(sent.unwrap().success());
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Wait for the program's end.
    pub async fn ended(mut self) -> ExitStatus {
        timeout(Duration::from_secs(20), self.process.wait()).await.expect("the server does not end").unwrap()
    }
}

/// The starter model as it was fetched, at a place of the test's own: beside it lie no weights that `flotilla optimize` has made.
pub fn link_starter_model(place: &Path) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(starter_model(), place).unwrap();
}

pub fn starter_model() -> PathBuf {
    let file = Config::from_environment().unwrap().models_dir().unwrap().join("smollm2/135m.gguf");
    assert!(file.exists(), "the starter model is missing: run `make model`");
    file
}

/// From `/proc/<process>/stat`: the parent is the second field behind the name in brackets.
fn children_of(parent: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let is_child = |process: &PathBuf| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        fields.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    let children = processes.map(|process| process.path()).filter(is_child);
    children.filter_map(|process| Some(process.file_name()?.to_str()?.to_owned())).collect()
}

/// A connection that reads a run's events.
pub struct Follower {
    response: Response,
    read: String,
    /// Bytes of an event that is not whole yet.
    rest: Vec<u8>,
    /// Events that nobody has asked for yet.
    waiting: VecDeque<Event>,
}

impl Follower {
    /// `None` where there is no server.
    pub async fn try_open(client: &Client, address: &str, run: &Value, after: u64) -> Option<Self> {
        let url = format!("{address}/api/runs/{}/events", run.as_str().unwrap());
        let response = client.get(url).header("last-event-id", after).send().await.ok()?;
        assert_eq!(response.status(), StatusCode::OK);
        Some(Self { response, read: String::new(), rest: Vec::new(), waiting: VecDeque::new() })
    }

    /// The next event; `None` at the end of the run or of the connection.
    pub async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() {
            self.rest.extend_from_slice(&self.response.chunk().await.ok()??);
            let whole = self.rest.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |end| end + 2);
            let text = String::from_utf8(self.rest.drain(..whole).collect()).unwrap();
            self.waiting.extend(events(&text));
            self.read.push_str(&text);
        }
        self.waiting.pop_front()
    }

    /// Read until the events contain `text`, or to the end; returns the events that came.
    pub async fn until(&mut self, text: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while !self.read.contains(text)
            && let Some(event) = self.next().await
        {
            events.push(event);
        }
        events.extend(self.waiting.drain(..));
        events
    }

    /// Read to the end of the run or of the connection.
    pub async fn rest(mut self) -> Vec<Event> {
        self.until("\"message\":").await
    }
}

/// An event of a run and its number.
pub type Event = (u64, Value);

fn events(text: &str) -> Vec<Event> {
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        Some((field("id: ")?.parse().unwrap(), serde_json::from_str(field("data: ")?).unwrap()))
    };
    text.split("\n\n").filter_map(event).collect()
}

/// What these events say.
pub fn text_of(events: &[Event]) -> String {
    events.iter().fold(String::new(), |said, (_, event)| match event["text"].as_str() {
        Some(text) if event["type"] == "resumed" => text.to_owned(),
        text => said + text.unwrap_or_default(),
    })
}

/// Many words, so that an answer lasts.
pub fn long_script() -> String {
    (0..5000).map(|number| format!("word{number} ")).collect()
}
