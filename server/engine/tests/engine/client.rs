//! Starts an engine process and talks to it as the server does.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command as Process, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use flotilla_engine::protocol::{
    Command, Event, FinishReason, LoadOptions, Output, Piece, Prompt, PromptMessage, Role, Sampling, Usage,
};

pub struct Engine {
    child: Mutex<Child>,
    stdin: Mutex<Option<ChildStdin>>,
    requests: Arc<Mutex<HashMap<String, Sender<Event>>>>,
}

/// The events of one request.
pub struct Answering {
    pub id: String,
    pub events: Receiver<Event>,
}

#[derive(Debug, PartialEq)]
pub struct Answer {
    pub text: String,
    pub finish_reason: FinishReason,
    pub usage: Usage,
    /// How many tokens were guessed.
    pub guessed: u32,
}

/// One thread: the tests' engines share the machine, and llama.cpp's threads wait for each other by spinning.
pub const OPTIONS: LoadOptions =
    LoadOptions { slots: 4, context_length: 1024, threads: 1, gpu_layers: None, prefix_memory: 64, guess_tokens: 8 };

/// One engine for all tests that need no engine of their own, so that the model is loaded once.
pub static SHARED: LazyLock<Engine> = LazyLock::new(|| Engine::with_starter_model(OPTIONS));

pub fn starter_model() -> PathBuf {
    let data_home = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data_home = data_home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/share")));
    let path = (env::var_os("FLOTILLA_STARTER_MODEL").map(PathBuf::from))
        .or_else(|| Some(data_home?.join("flotilla/models/smollm2/135m.gguf")))
        .unwrap_or_default();
    assert!(path.is_file(), "the starter model is missing; run `make model`");
    path
}

pub fn message(role: Role, content: &str) -> PromptMessage {
    PromptMessage::new(role, content)
}

/// A conversation of a plain system prompt and one question.
pub fn question(content: &str) -> Prompt {
    Prompt::Messages(vec![message(Role::System, "You are a helpful assistant."), message(Role::User, content)])
}

pub fn greedy(max_tokens: u32) -> Sampling {
    Sampling { temperature: 0.0, max_tokens: Some(max_tokens), ..Sampling::default() }
}

impl Engine {
    pub fn start() -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_flotilla-engine"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let requests: Arc<Mutex<HashMap<String, Sender<Event>>>> = Arc::default();
        let routes = Arc::clone(&requests);
        thread::spawn(move || {
            for line in stdout.lines() {
                let event: Event = serde_json::from_str(&line.unwrap()).unwrap();
                if let Some(request) = routes.lock().unwrap().get(id_of(&event)) {
                    // A test that has seen enough has dropped its end.
                    let _ = request.send(event);
                }
            }
            // Whoever still waits for an event sees that there will be none.
            routes.lock().unwrap().clear();
        });
        Self { child: Mutex::new(child), stdin: Mutex::new(Some(stdin)), requests }
    }

    pub fn with_starter_model(options: LoadOptions) -> Self {
        let engine = Self::start();
        let event = engine.load(&starter_model(), options);
        assert!(matches!(event, Event::Loaded { .. }), "{event:?}");
        engine
    }

    pub fn load(&self, path: &Path, options: LoadOptions) -> Event {
        let path = path.to_str().unwrap().to_owned();
        self.request(|id| Command::Load { id, path, options }).events.recv().unwrap()
    }

    pub fn generate(&self, prompt: Prompt, params: Sampling) -> Answering {
        self.go_on(prompt, Piece::default(), params, Output::default())
    }

    /// An answer of a certain form.
    pub fn generate_as(&self, prompt: Prompt, params: Sampling, output: Output) -> Answering {
        self.go_on(prompt, Piece::default(), params, output)
    }

    /// Generate what comes behind the beginning of an answer.
    pub fn go_on(&self, prompt: Prompt, answer_so_far: Piece, params: Sampling, output: Output) -> Answering {
        self.request(|id| Command::Generate { id, prompt, answer_so_far, params, output })
    }

    pub fn answer(&self, prompt: Prompt, params: Sampling) -> Answer {
        self.generate(prompt, params).finish()
    }

    pub fn count(&self, prompt: Prompt) -> u32 {
        match self.request(|id| Command::Count { id, prompt }).events.recv().unwrap() {
            Event::Counted { tokens, .. } => tokens,
            other => panic!("{other:?}"),
        }
    }

    pub fn cancel(&self, id: &str) {
        self.send_line(&serde_json::to_string(&Command::Cancel { id: id.to_owned() }).unwrap());
    }

    pub fn request(&self, command: impl FnOnce(String) -> Command) -> Answering {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = format!("request-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let answering = self.expect(&id);
        self.send_line(&serde_json::to_string(&command(id)).unwrap());
        answering
    }

    /// Listens for the events of `id` without sending anything.
    pub fn expect(&self, id: &str) -> Answering {
        let (sender, events) = mpsc::channel();
        self.requests.lock().unwrap().insert(id.to_owned(), sender);
        Answering { id: id.to_owned(), events }
    }

    pub fn send_line(&self, line: &str) {
        let mut stdin = self.stdin.lock().unwrap();
        writeln!(stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// What the end of the server looks like to the engine.
    pub fn close_stdin(&self) {
        self.stdin.lock().unwrap().take();
    }

    pub fn wait(&self) -> ExitStatus {
        self.child.lock().unwrap().wait().unwrap()
    }
}

impl Answering {
    pub fn finish(self) -> Answer {
        let mut text = String::new();
        loop {
            match self.events.recv().expect("the engine answers") {
                Event::Text { text: piece, .. } => text += &piece,
                Event::Done { finish_reason, usage, guessed, .. } => {
                    return Answer { text, finish_reason, usage, guessed };
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub fn error(self) -> (flotilla_engine::protocol::ErrorCode, String) {
        match self.events.recv().expect("the engine answers") {
            Event::Error { code, message, .. } => (code, message),
            other => panic!("{other:?}"),
        }
    }
}

fn id_of(event: &Event) -> &str {
    match event {
        Event::Loaded { id, .. }
        | Event::Text { id, .. }
        | Event::Done { id, .. }
        | Event::Logprobs { id, .. }
        | Event::ToolCall { id, .. }
        | Event::Counted { id, .. }
        | Event::Embedded { id, .. }
        | Event::Error { id, .. } => id,
    }
}
