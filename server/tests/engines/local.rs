//! The real engine process with the starter model.

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chrono::Utc;
use flotilla::{
    chat::Parameters,
    engine::{
        Capability, ChatRequest, Delta, Effort, EmbedRequest, EmbedText, Engine, EngineCommand, EngineError,
        EngineKind, FinishReason, KeepAlive, Local, Output, Schema, Think,
    },
};
use futures::StreamExt;
use tempfile::TempDir;
use tokio::time::timeout;

use crate::support::{config, greet, greeting, read, user};

const STARTER: &str = "smollm2:135m";

/// A folder for models, and a command that notes each process it starts.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The starter model under these names.
    fn with_starter_as(names: &[&str]) -> Self {
        let machine = Self::new();
        let starter = config(&[]).models_dir().unwrap().join("smollm2/135m.gguf");
        assert!(starter.exists(), "the starter model is missing: run `make model`");
        for name in names {
            std::os::unix::fs::symlink(&starter, machine.place(name)).unwrap();
        }
        machine
    }

    fn with_file(name: &str, content: &[u8]) -> Self {
        let machine = Self::new();
        fs::write(machine.place(name), content).unwrap();
        machine
    }

    fn place(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name.replace(':', "/") + ".gguf");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// One thread for each engine, because the tests run side by side.
    fn engine(&self, flags: &[&str]) -> Local {
        let note = "echo $$ >> \"$0\"; exec \"$@\"";
        let args =
            ["-c".into(), note.into(), self.notes().into(), env!("CARGO_BIN_EXE_flotilla").into(), "engine".into()];
        let command = EngineCommand { program: "sh".into(), args: args.into() };
        let models_dir = self.folder.path().to_str().unwrap();
        Local::new(command, &config(&[&["--threads", "1", "--models-dir", models_dir], flags].concat())).unwrap()
    }

    /// The same with so much memory for models as `models` of the starter's size take, with two short chats each.
    async fn engine_with_memory_for(&self, models: u64, flags: &[&str]) -> Local {
        let small = [&["--context-length", "256", "--slots", "2", "--keep-alive", "-1"], flags].concat();
        let idle = self.engine(&[&small[..], &["--model-name", "missing:1b"]].concat());
        let each = idle.models().await.unwrap()[0].memory_bytes.unwrap();
        self.engine(&[&small[..], &["--max-model-memory", &(models * each).to_string()]].concat())
    }

    /// The processes that were started, oldest first.
    fn processes(&self) -> Vec<String> {
        fs::read_to_string(self.notes()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn notes(&self) -> PathBuf {
        self.folder.path().join("processes")
    }
}

fn signal(signal: &str, process: &str) -> bool {
    Command::new("kill").args([signal, process]).output().unwrap().status.success()
}

/// An answer that goes on until the context is full.
fn long_story() -> ChatRequest {
    let parameters = Parameters { temperature: Some(0.0), ..Parameters::default() };
    ChatRequest::new(STARTER, vec![user("Tell me a very long story.")], parameters)
}

#[tokio::test]
async fn the_starter_model_answers_and_tells_what_it_cost() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);

    let (text, completion) = greet(&engine, STARTER).await;

    let completion = completion.unwrap();
    assert!(!text.trim().is_empty());
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert_eq!(completion.usage.completion_tokens, 8);
    engine.ready(STARTER).await.unwrap();
}

#[tokio::test]
async fn a_loaded_model_is_described_by_its_file() {
    let machine = Machine::with_starter_as(&["another:1b", STARTER]);
    let engine = machine.engine(&["--context-length", "1024"]);
    greet(&engine, STARTER).await.1.unwrap();

    let models = engine.models().await.unwrap();

    let [starter, another] = &models[..] else { panic!("two models are installed") };
    assert_eq!((starter.id.as_str(), starter.engine, starter.loaded), (STARTER, EngineKind::Local, true));
    assert_eq!((starter.quantization.as_deref(), starter.family.as_deref()), (Some("Q4_1"), Some("llama")));
    assert_eq!((starter.context_length, starter.modified_at.is_some()), (Some(1024), true));
    assert!(starter.size_bytes.unwrap() > 90_000_000 && starter.parameters.unwrap() > 130_000_000);
    assert!(starter.unloads_at.unwrap() > Utc::now() && another.unloads_at.is_none());
    assert!(starter.description.as_deref().unwrap().contains("weak"));
    assert_eq!((another.id.as_str(), another.loaded), ("another:1b", false));
}

#[tokio::test]
async fn a_prompt_measures_what_it_later_costs() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);

    let size = engine.measure(STARTER, greeting(STARTER).prompt.messages()).await.unwrap().unwrap();
    let completion = greet(&engine, STARTER).await.1.unwrap();

    assert_eq!(size.prompt_tokens, completion.usage.prompt_tokens);
    assert_eq!(size.context_length, 4096);
}

#[tokio::test]
async fn two_chats_are_answered_at_once() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let mut story = engine.chat(long_story()).await.unwrap();
    assert!(matches!(story.next().await, Some(Ok(Delta::Text(_)))));

    let (text, completion) = greet(&engine, STARTER).await;

    assert!(completion.is_ok() && !text.is_empty());
    assert!(matches!(story.next().await, Some(Ok(Delta::Text(_)))), "the story goes on");
}

#[tokio::test]
async fn dropping_an_answer_gives_its_place_to_the_next() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--slots", "1"]);
    let mut story = engine.chat(long_story()).await.unwrap();
    assert!(story.next().await.unwrap().is_ok());

    drop(story);

    assert!(greet(&engine, STARTER).await.1.is_ok());
}

#[tokio::test]
async fn a_killed_process_interrupts_its_answers_and_comes_back() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let mut story = engine.chat(long_story()).await.unwrap();
    assert!(story.next().await.unwrap().is_ok());

    assert!(signal("-9", &machine.processes()[0]));

    let (_, completion) = read(story).await;
    assert!(matches!(completion, Err(EngineError::Interrupted)));
    assert!(greet(&engine, STARTER).await.1.is_ok());
    assert_eq!(machine.processes().len(), 2);
}

#[tokio::test]
async fn a_process_that_is_killed_again_and_again_comes_back_each_time() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);

    for _ in 0..8 {
        let mut story = engine.chat(long_story()).await.unwrap();
        assert!(story.next().await.unwrap().is_ok());
        assert!(signal("-9", machine.processes().last().unwrap()));
        assert!(matches!(read(story).await.1, Err(EngineError::Interrupted)));
    }

    greet(&engine, STARTER).await.1.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_named_as_such_and_not_tried_in_a_loop() {
    let machine = Machine::with_file("broken:1b", b"this is no model");
    let engine = machine.engine(&[]);

    for _ in 0..3 {
        let (_, completion) = greet(&engine, "broken:1b").await;
        let Err(EngineError::Unavailable(message)) = completion else { panic!("a damaged file cannot answer") };
        assert!(message.contains("GGUF"), "{message}");
    }

    assert_eq!(machine.processes().len(), 1);
}

#[tokio::test]
async fn a_process_that_dies_at_its_start_is_reported_as_restarting() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let command = EngineCommand { program: "false".into(), args: Vec::new() };
    let models_dir = machine.folder.path().to_str().unwrap();
    let engine = Local::new(command, &config(&["--models-dir", models_dir])).unwrap();

    let restarting = async {
        while !engine.ready(STARTER).await.unwrap_err().to_string().contains("restarting") {
            tokio::task::yield_now().await;
        }
    };

    timeout(Duration::from_secs(10), restarting).await.unwrap();
}

#[tokio::test]
async fn a_model_that_does_not_fit_beside_the_others_takes_the_place_of_the_one_unused_for_longest() {
    let machine = Machine::with_starter_as(&["a:1b", "b:1b", "c:1b"]);
    let engine = machine.engine_with_memory_for(2, &[]).await;
    for model in ["a:1b", "b:1b", "a:1b", "c:1b"] {
        greet(&engine, model).await.1.unwrap();
    }

    let models = engine.models().await.unwrap();

    let loaded: Vec<_> = models.iter().filter(|model| model.loaded).map(|model| model.id.as_str()).collect();
    assert_eq!(loaded, ["a:1b", "c:1b"]);
}

#[tokio::test]
async fn models_answer_side_by_side_while_the_memory_has_room_for_all() {
    let names = ["a:1b", "b:1b", "c:1b"];
    let machine = Machine::with_starter_as(&names);
    let engine = machine.engine_with_memory_for(3, &[]).await;
    let stories = names.map(|name| engine.chat(ChatRequest { model: name.to_owned(), ..long_story() }));
    let mut stories = futures::future::try_join_all(stories).await.unwrap();

    for _ in 0..3 {
        for story in &mut stories {
            assert!(matches!(story.next().await, Some(Ok(Delta::Text(_)))));
        }
    }

    let memory = engine.memory().unwrap();
    assert_eq!(memory.models.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(memory.models.iter().map(|(_, bytes)| bytes).sum::<u64>(), memory.limit);
    assert_eq!(machine.processes().len(), 3);
}

/// Reads on in an answer that is being written while `other` waits, which it has to.
async fn read_while_waiting<T>(engine: &Local, model: &str, pieces: usize, other: impl Future<Output = T>) {
    let mut story = engine.chat(ChatRequest { model: model.to_owned(), ..long_story() }).await.unwrap();
    let reading = async {
        for _ in 0..pieces {
            assert!(matches!(story.next().await, Some(Ok(Delta::Text(_)))));
        }
    };
    tokio::select! {
        () = reading => {}
        _ = other => panic!("nobody waits while the model answers"),
    }
}

#[tokio::test]
async fn a_model_that_is_answering_is_not_pushed_out_and_another_one_waits_until_it_has_ended() {
    let machine = Machine::with_starter_as(&["a:1b", "b:1b"]);
    let engine = machine.engine_with_memory_for(1, &[]).await;
    engine.load("a:1b", None).await.unwrap();
    let mut waiting = Box::pin(greet(&engine, "b:1b"));

    read_while_waiting(&engine, "a:1b", 20, &mut waiting).await;

    assert!(waiting.await.1.is_ok());
    assert_eq!(engine.memory().unwrap().models.len(), 1);
}

#[tokio::test]
async fn a_request_that_leaves_before_its_model_fits_holds_up_nobody() {
    let machine = Machine::with_starter_as(&["a:1b", "b:1b"]);
    let engine = machine.engine_with_memory_for(1, &[]).await;
    engine.load("a:1b", None).await.unwrap();

    let mut waiting = Box::pin(greet(&engine, "b:1b"));
    read_while_waiting(&engine, "a:1b", 20, &mut waiting).await;
    drop(waiting);

    assert!(greet(&engine, "a:1b").await.1.is_ok());
    assert_eq!(machine.processes().len(), 1);
}

async fn keep_greeting(engine: &Local) -> Infallible {
    loop {
        greet(engine, "a:1b").await.1.unwrap();
    }
}

#[tokio::test]
async fn a_model_comes_in_although_the_other_one_is_always_in_use() {
    let machine = Machine::with_starter_as(&["a:1b", "b:1b"]);
    let engine = machine.engine_with_memory_for(1, &[]).await;
    engine.load("a:1b", None).await.unwrap();
    let other = async {
        for _ in 0..2 {
            greet(&engine, "b:1b").await.1.unwrap();
        }
    };

    tokio::select! {
        () = other => {}
        never = keep_greeting(&engine) => match never {},
        never = keep_greeting(&engine) => match never {},
    }
}

#[tokio::test]
async fn a_request_that_waits_too_long_for_memory_is_told_why() {
    let machine = Machine::with_starter_as(&["a:1b", "b:1b"]);
    let engine = machine.engine_with_memory_for(1, &["--first-token-timeout", "2"]).await;
    engine.load("a:1b", None).await.unwrap();
    let mut story = engine.chat(ChatRequest { model: "a:1b".to_owned(), ..long_story() }).await.unwrap();

    let (_, completion) = greet(&engine, "b:1b").await;

    let Err(EngineError::Unavailable(message)) = completion else { panic!("there is no memory for b:1b") };
    assert!(message.contains("b:1b") && message.contains("MAX_MODEL_MEMORY"), "{message}");
    assert!(story.next().await.unwrap().is_ok());
}

#[tokio::test]
async fn a_model_that_never_fits_is_refused_with_what_it_takes() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--max-model-memory", "100MB"]);

    let refused = greet(&engine, STARTER).await.1.unwrap_err();

    let Err(EngineError::TooLarge { memory, limit, .. }) = engine.ready(STARTER).await else { panic!("it is ready") };
    assert_eq!((Some(memory), limit), (engine.models().await.unwrap()[0].memory_bytes, 100_000_000));
    let message = refused.to_string();
    assert!(message.contains(STARTER) && message.contains("MAX_MODEL_MEMORY") && message.contains("MiB"), "{message}");
    assert!(machine.processes().is_empty());
}

#[tokio::test]
async fn a_model_takes_about_as_much_memory_as_was_said_before() {
    let machine = Machine::with_starter_as(&[STARTER]);
    for sizes in [["--context-length", "256", "--slots", "1"], ["--context-length", "4096", "--slots", "4"]] {
        let flags = [&sizes[..], &["--prefix-memory", "0"]].concat();
        let engine = machine.engine(&flags);
        greet(&engine, STARTER).await.1.unwrap();
        let said = engine.memory().unwrap().models[0].1;

        let status = fs::read_to_string(format!("/proc/{}/status", machine.processes().last().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let taken = 1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();

        assert!(taken < said && said < taken / 4 * 5, "{flags:?}: {said} was said, {taken} is taken");
        engine.shutdown().await;
    }
}

/// Whether a model is in memory.
async fn is_loaded(engine: &Local, name: &str) -> bool {
    engine.models().await.unwrap().iter().any(|model| model.id == name && model.loaded)
}

#[tokio::test]
async fn a_model_that_is_not_in_memory_is_described_too() {
    let machine = Machine::with_starter_as(&[STARTER, "another:1b"]);
    let engine = machine.engine(&["--context-length", "1024"]);

    let models = engine.models().await.unwrap();

    let another = &models[1];
    assert_eq!((another.id.as_str(), another.loaded), ("another:1b", false));
    assert_eq!((another.quantization.as_deref(), another.context_length), (Some("Q4_1"), Some(1024)));
    assert_eq!(another.parameters, models[0].parameters);
    assert_eq!(another.capabilities, [Capability::Completion]);
}

#[tokio::test]
async fn a_model_is_loaded_and_unloaded_when_asked_to() {
    let machine = Machine::with_starter_as(&[STARTER, "b:1b"]);
    let engine = machine.engine(&["--keep-alive", "-1"]);

    engine.load(STARTER, None).await.unwrap();
    engine.load("b:1b", None).await.unwrap();
    assert!(is_loaded(&engine, "b:1b").await);
    engine.unload("b:1b").await.unwrap();
    assert!(!is_loaded(&engine, "b:1b").await);
    assert!(!Path::new("/proc").join(&machine.processes()[1]).exists());

    engine.unload("b:1b").await.unwrap();
    assert!(matches!(engine.load("missing", None).await, Err(EngineError::UnknownModel(_))));
    assert!(matches!(engine.unload("missing").await, Err(EngineError::UnknownModel(_))));
}

#[tokio::test]
async fn a_model_that_is_answering_is_neither_unloaded_nor_deleted() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let mut story = engine.chat(long_story()).await.unwrap();
    assert!(story.next().await.unwrap().is_ok());

    assert!(matches!(engine.unload(STARTER).await, Err(EngineError::InUse(_))));
    assert!(matches!(engine.delete(STARTER).await, Err(EngineError::InUse(_))));

    assert!(story.next().await.unwrap().is_ok());
    drop(story);
    engine.delete(STARTER).await.unwrap();
    assert!(engine.models().await.unwrap().is_empty());
    assert!(matches!(engine.delete(STARTER).await, Err(EngineError::UnknownModel(_))));
}

#[tokio::test]
async fn with_a_keep_alive_of_0_a_model_leaves_the_memory_after_its_answer() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--keep-alive", "0"]);
    assert!(machine.processes().is_empty());

    greet(&engine, STARTER).await.1.unwrap();

    let left = async {
        while Path::new("/proc").join(&machine.processes()[0]).exists() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), left).await.expect("the process ends");
    greet(&engine, STARTER).await.1.unwrap();
    assert_eq!(machine.processes().len(), 2);
}

/// The seconds that the only model still has, rounded up; `None` for ever.
async fn seconds_left(engine: &Local) -> Option<i64> {
    let model = engine.models().await.unwrap().remove(0);
    assert!(model.loaded);
    model.unloads_at.map(|at| (at - Utc::now()).num_seconds() + 1)
}

#[tokio::test]
async fn a_request_says_how_long_its_model_stays_and_the_next_leaves_that_as_it_is() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--keep-alive", "60"]);
    let asking = |keep_alive| ChatRequest { keep_alive: Some(keep_alive), ..greeting(STARTER) };
    greet(&engine, STARTER).await.1.unwrap();
    assert!(matches!(seconds_left(&engine).await, Some(..=60)));

    read(engine.chat(asking(KeepAlive::For(Duration::from_secs(5000)))).await.unwrap()).await.1.unwrap();
    assert!((4000..=5000).contains(&seconds_left(&engine).await.unwrap()));
    greet(&engine, STARTER).await.1.unwrap();
    assert!((4000..=5000).contains(&seconds_left(&engine).await.unwrap()));

    engine.load(STARTER, Some(KeepAlive::Forever)).await.unwrap();
    assert_eq!(seconds_left(&engine).await, None);

    let texts = vec![EmbedText::Text("one".to_owned())];
    let keep_alive = Some(KeepAlive::AT_ONCE);
    engine.embed(EmbedRequest { model: STARTER.to_owned(), texts, truncate: false, keep_alive }).await.unwrap();
    let left = async { while is_loaded(&engine, STARTER).await {} };
    timeout(Duration::from_secs(10), left).await.expect("it leaves");
    greet(&engine, STARTER).await.1.unwrap();
    assert!(matches!(seconds_left(&engine).await, Some(..=60)), "a model that comes again has forgotten it");
}

#[tokio::test]
async fn a_model_leaves_on_a_request_where_others_never_do() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--keep-alive", "-1"]);
    greet(&engine, STARTER).await.1.unwrap();
    assert_eq!(seconds_left(&engine).await, None);

    let request = ChatRequest { keep_alive: Some(KeepAlive::For(Duration::from_millis(1))), ..greeting(STARTER) };
    read(engine.chat(request).await.unwrap()).await.1.unwrap();

    let left = async { while is_loaded(&engine, STARTER).await {} };
    timeout(Duration::from_secs(10), left).await.expect("it leaves");
}

#[tokio::test]
async fn the_own_engine_cannot_be_asked_to_think() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--keep-alive", "0"]);
    let asking = |think| ChatRequest { think: Some(think), ..greeting(STARTER) };

    let refused = engine.chat(asking(Think::Effort(Effort::Low))).await.err();
    assert!(matches!(refused, Some(EngineError::Unsupported { param: "think", .. })));
    assert!(machine.processes().is_empty());

    assert!(read(engine.chat(asking(Think::Switch(false))).await.unwrap()).await.1.is_ok());
}

#[tokio::test]
async fn a_model_that_is_used_stays_in_memory_and_one_that_is_not_leaves() {
    let machine = Machine::with_starter_as(&[STARTER, "b:1b"]);
    let engine = machine.engine(&["--keep-alive", "1"]);
    let mut story = engine.chat(long_story()).await.unwrap();
    greet(&engine, "b:1b").await.1.unwrap();

    let left = async {
        while is_loaded(&engine, "b:1b").await {
            // One story after the other goes on meanwhile.
            if !matches!(story.next().await, Some(Ok(Delta::Text(_)))) {
                story = engine.chat(long_story()).await.unwrap();
            }
        }
    };
    timeout(Duration::from_secs(30), left).await.expect("b:1b leaves");

    assert!(is_loaded(&engine, STARTER).await);
}

#[tokio::test]
async fn a_cancelled_answer_ends_at_once_and_says_what_it_has_cost() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let request = long_story();
    let cancel = request.cancel.clone();
    let mut story = engine.chat(request).await.unwrap();
    assert!(story.next().await.unwrap().is_ok());
    cancel.cancel();

    let completion = timeout(Duration::from_secs(10), read(story)).await.expect("the answer ends").1.unwrap();

    assert_eq!(completion.finish_reason, FinishReason::Cancelled);
    assert!(completion.usage.completion_tokens > 0);
}

#[tokio::test]
async fn a_default_model_that_is_not_installed_is_not_replaced_by_another() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&["--model-name", "missing:1b"]);

    // A model that were being loaded would not be ready yet.
    engine.ready(STARTER).await.unwrap();
    assert!(matches!(engine.ready("missing:1b").await, Err(EngineError::UnknownModel(_))));
}

#[tokio::test]
async fn a_model_that_is_not_installed_is_unknown() {
    let machine = Machine::new();
    let engine = machine.engine(&[]);

    assert!(matches!(greet(&engine, "missing:1b").await.1, Err(EngineError::UnknownModel(_))));
    assert!(matches!(engine.ready("missing:1b").await, Err(EngineError::UnknownModel(_))));
}

#[tokio::test]
async fn a_shut_down_engine_leaves_no_process_behind() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let mut story = engine.chat(long_story()).await.unwrap();
    assert!(story.next().await.unwrap().is_ok());

    engine.shutdown().await;

    assert!(!Path::new("/proc").join(&machine.processes()[0]).exists());
    assert!(matches!(greet(&engine, STARTER).await.1, Err(EngineError::Unavailable(_))));
}

#[tokio::test]
async fn a_text_is_continued_without_a_template_and_texts_have_vectors() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let parameters = Parameters { temperature: Some(0.0), max_tokens: Some(4), ..Parameters::default() };
    let request = ChatRequest::new(STARTER, "na na na na na na na na".to_owned(), parameters);

    let (text, _) = read(engine.chat(request).await.unwrap()).await;
    let texts = vec![EmbedText::Text("one".to_owned()), EmbedText::Text("two".to_owned())];
    let request = EmbedRequest { model: STARTER.to_owned(), texts, truncate: false, keep_alive: None };
    let embeddings = engine.embed(request).await.unwrap();

    assert_eq!(text, " na na na na");
    assert_eq!(embeddings.vectors.iter().map(Vec::len).collect::<Vec<_>>(), [576, 576]);
}

#[tokio::test]
async fn a_schema_that_cannot_be_enforced_is_told_apart_from_other_bad_requests() {
    let machine = Machine::with_starter_as(&[STARTER]);
    let engine = machine.engine(&[]);
    let schema = Schema { schema: serde_json::json!({ "type": "no such type" }), strict: false };
    let output = Output { schema: Some(schema), ..Output::default() };

    let mut answer = engine.chat(ChatRequest { output, ..greeting(STARTER) }).await.unwrap();

    assert!(matches!(answer.next().await, Some(Err(EngineError::UnusableSchema(_)))));
}
