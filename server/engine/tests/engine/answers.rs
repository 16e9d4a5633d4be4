//! What an answer consists of, and where it ends.

use flotilla_engine::protocol::{ErrorCode, Event, FinishReason, LoadOptions, Prompt, Role, Sampling};

use crate::client::{Engine, OPTIONS, SHARED, greedy, message, question};

#[test]
fn a_question_is_answered_until_the_model_ends_its_turn() {
    let answer = SHARED.answer(question("What is the capital of France?"), greedy(64));

    assert_eq!(answer.text, "The capital of France is Paris.");
    assert_eq!(answer.finish_reason, FinishReason::Stop);
}

#[test]
fn a_greedy_answer_is_the_same_alone_and_among_four() {
    let prompt = || question("What is rain?");
    let alone = Engine::with_starter_model(OPTIONS).answer(prompt(), greedy(32));

    let engine = Engine::with_starter_model(OPTIONS);
    let others = ["Name three colours.", "Write a poem.", "Count to ten."];
    let others = others.map(|text| engine.generate(question(text), greedy(32)));
    let among_four = engine.answer(prompt(), greedy(32));

    for other in others {
        other.finish();
    }
    assert_eq!(among_four.text, alone.text);
}

#[test]
fn the_same_seed_gives_the_same_answer() {
    let params = || Sampling { temperature: 1.0, seed: Some(7), max_tokens: Some(24), ..Sampling::default() };

    let first = SHARED.answer(question("Tell me a story."), params());
    let second = SHARED.answer(question("Tell me a story."), params());

    assert_eq!(first.text, second.text);
}

#[test]
fn max_tokens_ends_an_answer() {
    let answer = SHARED.answer(question("Write a long story."), greedy(5));

    assert_eq!(answer.finish_reason, FinishReason::Length);
    assert_eq!(answer.usage.completion_tokens, 5);
}

#[test]
fn a_stop_string_ends_an_answer_and_is_not_part_of_it() {
    let params = Sampling { stop: vec!["ance is P".into()], ..greedy(64) };

    let answer = SHARED.answer(question("What is the capital of France?"), params);

    assert_eq!(answer.text, "The capital of Fr");
    assert_eq!(answer.finish_reason, FinishReason::Stop);
}

#[test]
fn an_unfinished_answer_is_continued_in_its_middle() {
    let prompt = Prompt::Messages(vec![
        message(Role::System, "You are a helpful assistant."),
        message(Role::User, "What is the capital of France?"),
        message(Role::Assistant, "The capital of France"),
    ]);

    let answer = SHARED.answer(prompt, greedy(64));

    assert_eq!(answer.text, " is Paris.");
}

#[test]
fn a_repeat_penalty_keeps_the_model_from_repeating_itself() {
    let prompt = || Prompt::Text("na na na na na na na na".into());

    let plain = SHARED.answer(prompt(), greedy(8));
    let penalised = SHARED.answer(prompt(), Sampling { repeat_penalty: 2.0, ..greedy(8) });

    assert_eq!(plain.text, " na na na na na na na na");
    assert!(!penalised.text.contains("na na"), "{}", penalised.text);
}

#[test]
fn text_events_name_every_token_of_the_final_usage() {
    let answering = SHARED.generate(question("Write a long story."), greedy(12));
    let mut named = 0;

    for event in &answering.events {
        match event {
            Event::Text { tokens, .. } => named += tokens.len(),
            Event::Done { usage, timings, .. } => {
                assert_eq!(usage.completion_tokens, 12);
                assert!(timings.prefill_ms > 0.0 && timings.decode_ms > 0.0);
                break;
            }
            other => panic!("{other:?}"),
        }
    }

    assert_eq!(named, 12);
}

#[test]
fn an_answer_ends_where_the_context_is_full() {
    let engine = Engine::with_starter_model(LoadOptions { slots: 1, context_length: 64, ..OPTIONS });

    let answer = engine.answer(question("Write a long story."), Sampling { temperature: 0.0, ..Sampling::default() });

    assert_eq!(answer.finish_reason, FinishReason::Length);
    assert_eq!(answer.usage.prompt_tokens + answer.usage.completion_tokens, 64);
}

#[test]
fn a_prompt_that_fills_the_context_alone_is_refused() {
    let (code, message) = SHARED.generate(Prompt::Text("word ".repeat(2000)), greedy(1)).error();

    assert_eq!(code, ErrorCode::ContextLengthExceeded);
    assert!(message.contains("1024"), "{message}");
}
