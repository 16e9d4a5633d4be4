use std::sync::Arc;

use flotilla::engine::{Delta, Engine, EngineError, FinishReason, PromptSize, Scripted, Step};
use futures::{FutureExt, StreamExt};
use tokio::sync::Notify;

use crate::support::{config, greet, greeting, read, user};

fn text(text: &str) -> Step {
    Step::Text(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_file_are_recited_with_their_white_space() {
    let script = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(script.path(), "One, two.\n\nThree.").unwrap();
    let engine = Scripted::from_file(script.path(), &config(&[])).unwrap();

    let (answer, completion) = greet(&engine, "scripted").await;

    assert_eq!(answer, "One, two.\n\nThree.");
    assert_eq!(completion.unwrap().finish_reason, FinishReason::Stop);
}

#[tokio::test]
async fn an_answer_waits_until_the_test_lets_it_go_on() {
    let go_on = Arc::new(Notify::new());
    let engine = Scripted::new(vec![text("one "), Step::Wait(Arc::clone(&go_on)), text("two")]);
    let mut answer = engine.chat(greeting("scripted")).await.unwrap();

    assert_eq!(answer.next().await.unwrap().unwrap(), Delta::Text("one ".to_owned()));
    assert!(answer.next().now_or_never().is_none());
    go_on.notify_one();
    assert_eq!(read(answer).await.0, "two");
}

#[tokio::test]
async fn a_failure_keeps_the_text_so_far() {
    let engine = Scripted::new(vec![text("one"), Step::Fail(|| EngineError::Interrupted), text("two")]);

    let (answer, completion) = greet(&engine, "scripted").await;

    assert_eq!(answer, "one");
    assert!(matches!(completion, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn max_tokens_counts_words() {
    let engine = Scripted::new((0..20).map(|_| text("word ")).collect());

    let (answer, completion) = greet(&engine, "scripted").await;

    assert_eq!(answer.split_whitespace().count(), 8);
    assert_eq!(completion.unwrap().finish_reason, FinishReason::Length);
}

#[tokio::test]
async fn a_prompt_is_measured_and_remembered() {
    let engine = Scripted::new(vec![]).with_context_length(2);

    let size = engine.measure("scripted", &[user("Say hello.")]).await.unwrap();
    greet(&engine, "scripted").await.1.unwrap();

    assert_eq!(size, Some(PromptSize { prompt_tokens: 2, context_length: 2 }));
    assert_eq!(engine.last_request().unwrap().messages, [user("Say hello.")]);
}

#[tokio::test]
async fn a_prompt_of_too_many_words_does_not_fit() {
    let engine = Scripted::new(vec![]).with_context_length(1);

    assert!(matches!(greet(&engine, "scripted").await.1, Err(EngineError::ContextLengthExceeded)));
}
