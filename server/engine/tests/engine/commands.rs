//! The lines themselves, and the end of the process.

use flotilla_engine::protocol::{ErrorCode, Event};

use crate::client::{Engine, OPTIONS, SHARED, greedy, question};

#[test]
fn a_line_that_is_no_command_is_answered_and_the_next_one_works() {
    let engine = Engine::with_starter_model(OPTIONS);
    let nameless = engine.expect("");

    engine.send_line("{ this is not JSON");

    assert_eq!(nameless.error().0, ErrorCode::InvalidRequest);
    assert_eq!(
        engine.answer(question("What is the capital of France?"), greedy(64)).text,
        "The capital of France is Paris."
    );
}

#[test]
fn a_command_with_a_wrong_type_is_answered_under_its_id() {
    let answering = SHARED.expect("wrong-type");

    SHARED.send_line(r#"{"op":"generate","id":"wrong-type","prompt":"hi","params":{"temperature":"hot"}}"#);

    let (code, message) = answering.error();
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("expected f32"), "{message}");
}

#[test]
fn a_value_out_of_range_is_named() {
    let answering = SHARED.expect("out-of-range");

    SHARED.send_line(r#"{"op":"generate","id":"out-of-range","prompt":"hi","params":{"top_p":-1}}"#);

    let (code, message) = answering.error();
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.starts_with("`top_p`"), "{message}");
}

#[test]
fn cancelling_what_does_not_exist_does_nothing() {
    SHARED.cancel("nothing");

    assert!(SHARED.count(question("hi")) > 0);
}

#[test]
fn the_engine_ends_with_its_server_even_while_it_decodes() {
    let engine = Engine::with_starter_model(OPTIONS);
    let answering = engine.generate(question("Write a long story."), greedy(900));
    assert!(matches!(answering.events.recv().unwrap(), Event::Text { .. }));

    engine.close_stdin();

    assert!(engine.wait().success());
}
