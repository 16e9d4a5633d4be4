use crate::support::Home;

/// Notes in `window.lengths` how long the answer was each time it grew while it was being written.
const WATCH_THE_ANSWER_GROW: &str = "
    window.lengths = [];
    new MutationObserver(() => {
        const answer = document.querySelector('article[data-role=assistant] .markdown');
        const growing = document.querySelector('[data-testid=generating]') !== null;
        const length = answer?.textContent.length ?? 0;
        if (growing && length > (window.lengths.at(-1) ?? 0)) window.lengths.push(length);
    }).observe(document.body, { childList: true, subtree: true, characterData: true });";

const LONG: &str = "Write a long story about a small boat on a big sea.";

#[tokio::test]
async fn a_message_is_answered_word_by_word_by_the_starter_model() {
    let home = Home::new();
    let app = home.open().await;
    assert_eq!(app.page.title().await.unwrap(), "Flotilla");

    app.chat_with(60).await;
    app.page.execute(WATCH_THE_ANSWER_GROW, vec![]).await.unwrap();
    app.send(LONG).await;
    let shown = app.answered().await;

    let lengths = app.page.execute("return window.lengths", vec![]).await.unwrap();
    assert!(lengths.as_array().unwrap().len() >= 5, "the answer came in pieces of {lengths} characters");
    let messages = app.stored_messages().await;
    assert_eq!(messages[1]["status"], "complete");
    assert_eq!(messages[1]["model"], "smollm2:135m");
    assert!(letters(&shown).contains(&letters(messages[1]["content"].as_str().unwrap())));
}

#[tokio::test]
async fn a_reload_in_the_middle_of_an_answer_loses_and_doubles_nothing() {
    let home = Home::new();
    let app = home.open().await;
    app.chat_with(150).await;
    app.send(LONG).await;
    app.holds("return document.querySelector('article[data-role=assistant] .markdown')?.textContent.length > 20").await;

    app.page.refresh().await.unwrap();
    app.element("[data-testid=generating]").await;
    let shown = app.answered().await;

    let messages = app.stored_messages().await;
    assert_eq!(messages[1]["status"], "complete");
    assert_eq!(letters(&shown), letters(messages[1]["content"].as_str().unwrap()));
}

/// What Markdown leaves alone.
fn letters(text: &str) -> String {
    text.chars().filter(|character| character.is_alphabetic()).collect()
}
