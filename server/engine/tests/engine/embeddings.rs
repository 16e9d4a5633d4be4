//! Vectors of texts.

use flotilla_engine::protocol::{Command, EmbedText, ErrorCode, Event};

use crate::client::{Engine, OPTIONS, SHARED, greedy, question};

fn text(text: &str) -> EmbedText {
    EmbedText::Text(text.to_owned())
}

fn ask(engine: &Engine, texts: Vec<EmbedText>, truncate: bool) -> Event {
    engine.request(|id| Command::Embed { id, texts, truncate }).events.recv().unwrap()
}

fn vectors(texts: Vec<EmbedText>) -> (Vec<Vec<f32>>, u32) {
    match ask(&SHARED, texts, false) {
        Event::Embedded { vectors, tokens, .. } => (vectors, tokens),
        other => panic!("{other:?}"),
    }
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn a_vector_has_length_one_and_is_the_same_every_time() {
    let (first, tokens) = vectors(vec![text("The sea is blue.")]);
    let (second, _) = vectors(vec![text("The sea is blue.")]);

    assert_eq!(first[0].len(), 576);
    assert!((product(&first[0], &first[0]) - 1.0).abs() < 1e-5);
    assert!((product(&first[0], &second[0]) - 1.0).abs() < 1e-5);
    assert_eq!(tokens, 5);
}

#[test]
fn alike_texts_have_alike_vectors() {
    let texts = ["The cat sat on the mat.", "A cat was sitting on a mat.", "Quarterly revenue rose by nine percent."];
    let (vectors, _) = vectors(texts.map(text).to_vec());

    assert!(product(&vectors[0], &vectors[1]) > product(&vectors[0], &vectors[2]));
}

#[test]
fn a_long_text_is_computed_in_steps_and_is_what_its_tokens_are() {
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    let (alone, _) = vectors(vec![text(&long)]);
    let (among_others, tokens) = vectors(vec![text("Before."), text(&long), text("After.")]);

    assert!(tokens > 200);
    assert!((product(&alone[0], &among_others[1]) - 1.0).abs() < 1e-4);
}

#[test]
fn tokens_can_be_given_in_place_of_their_text() {
    let (vectors, tokens) = vectors(vec![EmbedText::Tokens(vec![1, 2, 3])]);

    assert_eq!((vectors.len(), tokens), (1, 3));
}

#[test]
fn a_token_that_the_model_does_not_have_is_refused() {
    let Event::Error { code, .. } = ask(&SHARED, vec![EmbedText::Tokens(vec![u32::MAX])], false) else { panic!() };

    assert_eq!(code, ErrorCode::InvalidRequest);
}

#[test]
fn a_text_that_does_not_fit_is_refused_or_cut_as_the_request_wants() {
    let long = "word ".repeat(2000);

    let Event::Error { code, message, .. } = ask(&SHARED, vec![text(&long)], false) else { panic!() };
    assert_eq!(code, ErrorCode::ContextLengthExceeded);
    assert!(message.contains("1024"), "{message}");
    let Event::Embedded { tokens, .. } = ask(&SHARED, vec![text(&long)], true) else { panic!() };
    assert_eq!(tokens, 1024);
}

#[test]
fn chats_go_on_while_vectors_are_made() {
    let engine = Engine::with_starter_model(OPTIONS);
    let texts: Vec<_> = (0..20).map(|number| text(&format!("{number} {}", "word ".repeat(400)))).collect();
    let embedding = engine.request(|id| Command::Embed { id, texts, truncate: false });

    let answer = engine.answer(question("What is the capital of France?"), greedy(64));

    assert_eq!(answer.text, "The capital of France is Paris.");
    assert!(embedding.events.try_recv().is_err(), "the answer did not wait for the vectors");
    engine.cancel(&embedding.id);
}
