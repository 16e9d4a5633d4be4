use std::process::Stdio;

use serde_json::json;

use crate::support::{App, Home, processes};

#[tokio::test]
async fn closing_the_window_ends_every_process() {
    let home = Home::new();
    let app = with_engine(&home).await;
    let processes = app.processes();
    app.close_window();
    assert!(processes::are_gone(&processes).await, "still there: {:?}", commands(&processes));
}

#[tokio::test]
async fn a_session_that_ends_ends_every_process() {
    let home = Home::new();
    let app = with_engine(&home).await;
    let processes = app.processes();
    processes::terminate(app.id);
    assert!(processes::are_gone(&processes).await, "still there: {:?}", commands(&processes));
}

#[tokio::test]
async fn a_killed_app_leaves_no_process_behind() {
    let home = Home::new();
    let app = with_engine(&home).await;
    let processes = app.processes();
    processes::kill(app.id);
    assert!(processes::are_gone(&processes).await, "still there: {:?}", commands(&processes));
}

#[tokio::test]
async fn an_answer_goes_on_at_the_next_start() {
    let home = Home::new();
    let app = home.open().await;
    app.chat_with(200).await;
    app.send("Write a long story about a small boat on a big sea.").await;
    app.holds("return document.querySelector('article[data-role=assistant] .markdown')?.textContent.length > 20").await;
    let (processes, conversation) = (app.processes(), app.page.current_url().await.unwrap());
    app.close_window();
    assert!(processes::are_gone(&processes).await);
    drop(app);

    let app = home.open().await;
    app.element(&format!("a[href='{}']", conversation.path())).await.click().await.unwrap();
    app.answered().await;
    let answer = &app.stored_messages().await[1];
    assert_eq!((&answer["status"], &answer["details"]["completion_tokens"]), (&json!("complete"), &json!(200)));
}

#[tokio::test]
async fn a_second_start_ends_at_once_and_leaves_the_first_alone() {
    let home = Home::new();
    let app = home.open().await;
    let second = home.command().stderr(Stdio::null()).status().unwrap();
    assert!(second.success());
    app.element("textarea[data-composer]").await;
}

/// An app that has answered, so that its engine runs.
async fn with_engine(home: &Home) -> App {
    let app = home.open().await;
    app.chat_with(10).await;
    app.send("Hello").await;
    app.answered().await;
    assert!(app.has_engine());
    app
}

fn commands(ids: &[u32]) -> Vec<Vec<String>> {
    ids.iter().map(|id| processes::arguments(*id)).collect()
}
