//! The engine process: a thread that reads commands, a thread that writes events, and between them the scheduler.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::Instant;

use anyhow::Context as _;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;

use crate::embedding::Embedder;
use crate::intake::Intake;
use crate::model::{self, LoadError};
use crate::prompt::PromptEncoder;
use crate::protocol::{Command, ErrorCode, Event, LoadOptions};
use crate::scheduler::Scheduler;
use crate::template::ChatTemplate;

/// Serves one model on stdin and stdout until stdin ends. The caller has set up tracing to write to stderr.
pub fn run() -> anyhow::Result<()> {
    let backend = model::backend().context("llama.cpp cannot be initialised")?;
    tracing::info!(system_info = model::system_info(), "llama.cpp");

    let (sender, commands) = mpsc::channel();
    thread::Builder::new().name("stdin".into()).spawn(move || read_commands(&sender))?;
    let writer = EventWriter::start()?;

    while let Ok(received) = commands.recv() {
        match received.command {
            Ok(Command::Load { id, path, options }) => {
                if let Err(error) = serve(backend, &id, Path::new(&path), &options, &commands, &writer) {
                    tracing::error!(%error, "the model was not loaded");
                    let code = match error {
                        LoadError::Option(..) => ErrorCode::InvalidRequest,
                        _ => ErrorCode::ModelUnusable,
                    };
                    writer.write([Event::Error { id, code, message: error.to_string() }]);
                }
            }
            Ok(Command::Generate { id, .. } | Command::Count { id, .. } | Command::Embed { id, .. }) => {
                writer.write([Event::invalid(id, "No model is loaded. Send `load` first.".to_owned())]);
            }
            Ok(Command::Cancel { .. }) => {}
            Err(event) => writer.write([event]),
        }
    }
    Ok(())
}

/// A line from the server, and when it came.
pub struct Received {
    pub arrived: Instant,
    /// `Err` is the answer to a line that is not a command.
    pub command: Result<Command, Event>,
}

/// Writes events to stdout from a thread of its own, so that a server that reads slowly does not stop the others' answers.
#[derive(Clone)]
pub struct EventWriter {
    lines: SyncSender<Vec<u8>>,
}

/// Steps whose events may wait for the server to read them; after that generation waits too, so memory stays bounded.
const UNREAD_STEPS: usize = 1024;

impl EventWriter {
    fn start() -> io::Result<Self> {
        let (lines, receiver) = mpsc::sync_channel::<Vec<u8>>(UNREAD_STEPS);
        thread::Builder::new().name("stdout".into()).spawn(move || {
            let mut stdout = io::stdout().lock();
            for lines in receiver {
                if stdout.write_all(&lines).and_then(|()| stdout.flush()).is_err() {
                    exit_without_server();
                }
            }
        })?;
        Ok(Self { lines })
    }

    /// Writes one step's events together, one line each.
    pub fn write(&self, events: impl IntoIterator<Item = Event>) {
        let mut lines = Vec::new();
        for event in events {
            match serde_json::to_writer(&mut lines, &event) {
                Ok(()) => lines.push(b'\n'),
                Err(error) => tracing::error!(%error, "an event cannot be written as JSON"),
            }
        }
        // The other end lives as long as the process.
        if !lines.is_empty() && self.lines.send(lines).is_err() {
            exit_without_server();
        }
    }
}

/// Loads a model and serves it. Returns only if loading fails or the commands end.
fn serve(
    backend: &LlamaBackend,
    id: &str,
    path: &Path,
    options: &LoadOptions,
    commands: &Receiver<Received>,
    writer: &EventWriter,
) -> Result<(), LoadError> {
    let started = Instant::now();
    let model = model::load(backend, path, options)?;
    let context = model::new_context(backend, &model, options)?;
    let encoder = PromptEncoder::new(chat_template(&model)?, &model.vocab()).map_err(|_| LoadError::Unsupported)?;
    let facts = model::facts(&model, options);
    let embedder = Embedder::new(backend, &model, options.clone());
    tracing::info!(?facts, slots = options.slots, threads = options.threads, elapsed = ?started.elapsed(), "model loaded");

    let context_length = facts.context_length;
    writer.write([Event::Loaded { id: id.to_owned(), model: facts }]);
    let intake = Intake::new(&model, encoder, context_length);
    Scheduler::new(&model, context, intake, embedder, options, writer.clone()).run(commands);
    Ok(())
}

fn chat_template(model: &LlamaModel) -> Result<ChatTemplate, LoadError> {
    let vocab = model.vocab();
    let text = |token| vocab.text(token).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
    let source = model.meta_val_str("tokenizer.chat_template").ok();
    ChatTemplate::new(source, text(vocab.bos()), text(vocab.eos())).map_err(|error| {
        tracing::error!(%error, "the chat template cannot be compiled");
        LoadError::Template
    })
}

fn read_commands(commands: &Sender<Received>) {
    let mut stdin = io::stdin().lock();
    let mut line = Vec::new();
    while stdin.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
        if !line.trim_ascii().is_empty() {
            let received = Received { arrived: Instant::now(), command: parse(&line) };
            if commands.send(received).is_err() {
                break;
            }
        }
        line.clear();
    }
    exit_without_server();
}

fn parse(line: &[u8]) -> Result<Command, Event> {
    serde_json::from_slice(line).map_err(|error| {
        let value: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        Event::invalid(id, format!("The line is not a command: {error}."))
    })
}

/// Ends the process in the middle of whatever it computes: there is nobody left to answer.
///
/// PR_SET_PDEATHSIG is not used beside this: it fires when the *thread* that started the engine ends, and a server's
/// thread pool ends threads while the server lives on.
///
/// Not `std::process::exit`: that runs the destructors of llama.cpp's globals under the threads that still compute with
/// them, which now and then ends in a segmentation fault.
#[expect(unsafe_code, reason = "the standard library has no way to end a process without running C's exit handlers")]
fn exit_without_server() -> ! {
    // SAFETY: it takes no pointer and does not return.
    unsafe { libc::_exit(0) }
}
