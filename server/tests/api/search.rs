use flotilla::engine::Scripted;
use serde_json::Value;

use crate::support::TestServer;

/// Titles of what a search finds, and the snippets.
async fn search(server: &TestServer, words: &str) -> Vec<(String, Option<String>)> {
    let path = format!("/api/conversations?query={}", words.replace(' ', "%20"));
    let found = server.get(&path).await.json();
    let row =
        |row: &Value| (row["title"].as_str().unwrap().to_owned(), row["match"]["snippet"].as_str().map(str::to_owned));
    found["conversations"].as_array().unwrap().iter().map(row).collect()
}

async fn talk(server: &TestServer, content: &str) {
    let id = server.conversation().await;
    server.turn(&id, None, content).await;
}

#[tokio::test]
async fn words_are_found_in_questions_and_answers_and_marked() {
    let server = TestServer::answering(&["The heron ", "stands still."]).await;
    talk(&server, "Tell me of birds").await;
    let found = search(&server, "heron").await;
    let [(title, Some(snippet))] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(title, "Tell me of birds");
    // PostgreSQL leaves out the full stop.
    assert_eq!(snippet.trim_end_matches('.'), "The \u{2}heron\u{3} stands still");
    assert_eq!(search(&server, "birds").await[0].1.as_deref(), Some("Tell me of \u{2}birds\u{3}"));
}

#[tokio::test]
async fn every_word_counts_and_the_last_may_be_a_beginning() {
    let server = TestServer::answering(&["ok"]).await;
    talk(&server, "red apples").await;
    talk(&server, "green apples").await;
    assert_eq!(search(&server, "appl").await.len(), 2);
    assert_eq!(search(&server, "green app").await.len(), 1);
    assert_eq!(search(&server, "green pears").await.len(), 0);
}

#[tokio::test]
async fn a_title_is_found_in_any_case() {
    let server = TestServer::answering(&["ok"]).await;
    let id = server.conversation().await;
    server.patch(&format!("/api/conversations/{id}"), serde_json::json!({ "title": "Harbour Plans" })).await;
    assert_eq!(search(&server, "harbour").await, [("Harbour Plans".to_owned(), None)]);
}

#[tokio::test]
async fn the_newest_conversation_comes_first() {
    let server = TestServer::answering(&["ok"]).await;
    talk(&server, "first anchor").await;
    talk(&server, "second anchor").await;
    let titles: Vec<String> = search(&server, "anchor").await.into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, ["second anchor", "first anchor"]);
}

#[tokio::test]
async fn punctuation_and_query_operators_are_only_text() {
    let server = TestServer::answering(&["ok"]).await;
    talk(&server, "what is a NEAR miss").await;
    for words in ["\"", "'", "*", "NEAR(", "a AND", "-", "%25", "a:b", "(", "\\"] {
        let path =
            format!("/api/conversations?query={}", words.replace(' ', "%20").replace('"', "%22").replace('\\', "%5C"));
        assert_eq!(server.get(&path).await.status, 200, "{words}");
    }
    assert_eq!(search(&server, "NEAR").await.len(), 1);
}

#[tokio::test]
async fn a_title_matches_by_its_words_in_any_order_and_any_alphabet() {
    let server = TestServer::answering(&["ok"]).await;
    for title in ["Plans for the harbour", "Übung macht den Meister", "Ёлка зимой"] {
        let id = server.conversation().await;
        server.patch(&format!("/api/conversations/{id}"), serde_json::json!({ "title": title })).await;
    }
    assert_eq!(search(&server, "harbour plans").await.len(), 1);
    assert_eq!(search(&server, "harbour hotels").await.len(), 0);
    // "übung", "ÜBUNG" and "ЁЛКА".
    for words in ["%C3%BCbung", "%C3%9CBUNG", "%D0%81%D0%9B%D0%9A%D0%90"] {
        assert_eq!(search(&server, words).await.len(), 1, "{words}");
    }
}

#[tokio::test]
async fn a_title_from_before_the_search_by_words_is_found_after_the_upgrade() {
    let server = TestServer::answering(&["ok"]).await;
    let id = server.conversation().await;
    server.patch(&format!("/api/conversations/{id}"), serde_json::json!({ "title": "Übung" })).await;
    server.sql("ALTER TABLE conversations DROP COLUMN title_folded").await;
    server.sql("DELETE FROM seaql_migrations WHERE version = 'm0003_folded_titles'").await;
    let server = server.restarted(Scripted::new(vec![])).await;
    assert_eq!(search(&server, "%C3%BCbung").await.len(), 1);
}
