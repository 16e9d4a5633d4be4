use crate::support::Server;

#[tokio::test]
async fn the_series_of_a_model_are_there_before_its_first_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "hello", 0);
    let tokens = ["prompt", "cached", "completion"]
        .map(|kind| format!(r#"flotilla_tokens_total{{model="scripted",kind="{kind}"}} 0"#));
    let answers = ["complete", "cancelled", "failed"]
        .map(|outcome| format!(r#"flotilla_answers_total{{model="scripted",outcome="{outcome}"}} 0"#));
    for series in [tokens, answers].concat() {
        server.has_metric(&series).await;
    }
}
