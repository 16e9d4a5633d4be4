use std::sync::Arc;

use flotilla::engine::{ChatRequest, Delta, Engine, EngineError, FinishReason, Piece, PromptSize, Scripted, Step};
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

    let Delta::Text(piece) = answer.next().await.unwrap().unwrap() else { panic!("text comes first") };
    assert_eq!(piece.text, "one ");
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
async fn an_answer_cut_anywhere_goes_on_behind_the_cut() {
    let engine = Scripted::new(["one ", "two ", "three"].map(text).into());
    let mut so_far = Piece::default();
    let mut answer = engine.chat(greeting("scripted")).await.unwrap();
    while let Some(Ok(Delta::Text(piece))) = answer.next().await {
        so_far.push(&piece);
        let request = ChatRequest { answer_so_far: so_far.clone(), ..greeting("scripted") };

        let (rest, completion) = read(engine.chat(request).await.unwrap()).await;

        assert_eq!(so_far.text.clone() + &rest, "one two three");
        assert_eq!(completion.unwrap().usage.completion_tokens, 3);
    }
}

#[tokio::test]
async fn the_answer_of_another_script_is_not_continued() {
    let engine = Scripted::new(vec![text("one ")]);
    let answer_so_far = Piece { text: "uno ".to_owned(), tokens: vec![0] };

    let refusal = engine.chat(ChatRequest { answer_so_far, ..greeting("scripted") }).await;

    assert!(matches!(refusal.err(), Some(EngineError::InvalidRequest(_))));
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
    assert_eq!(engine.last_request().unwrap().prompt.messages(), [user("Say hello.")]);
}

#[tokio::test]
async fn a_prompt_of_too_many_words_does_not_fit() {
    let engine = Scripted::new(vec![]).with_context_length(1);

    assert!(matches!(greet(&engine, "scripted").await.1, Err(EngineError::ContextLengthExceeded)));
}
