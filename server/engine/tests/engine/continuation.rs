//! An answer that another process has begun goes on as if it had never been interrupted.

use flotilla_engine::protocol::{ErrorCode, Event, FinishReason, Piece, Prompt, Sampling};

use crate::client::{Answer, SHARED, greedy, question};

/// What the server has after each text event of an answer, and the whole answer.
fn beginnings(prompt: Prompt, params: Sampling) -> (Vec<Piece>, Answer) {
    let answering = SHARED.generate(prompt, params);
    let mut so_far = Piece::default();
    let mut beginnings = vec![so_far.clone()];
    loop {
        match answering.events.recv().unwrap() {
            Event::Text { text, tokens, .. } => {
                so_far.push(&Piece { text, tokens });
                beginnings.push(so_far.clone());
            }
            Event::Done { finish_reason, usage, .. } => {
                return (beginnings, Answer { text: so_far.text, finish_reason, usage });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Cut the answer behind every `step`th text event, and see each beginning go on to the same end.
fn assert_continues(prompt: impl Fn() -> Prompt, params: &Sampling, step: usize) {
    let (beginnings, whole) = beginnings(prompt(), params.clone());
    for so_far in beginnings.into_iter().step_by(step) {
        let beginning = so_far.text.clone();

        let rest = SHARED.go_on(prompt(), so_far, params.clone()).finish();

        assert_eq!(beginning + &rest.text, whole.text);
        assert_eq!(rest.finish_reason, whole.finish_reason);
        assert_eq!(rest.usage.prompt_tokens, whole.usage.prompt_tokens);
        assert_eq!(rest.usage.completion_tokens, whole.usage.completion_tokens);
    }
}

#[test]
fn a_greedy_answer_cut_anywhere_goes_on_to_the_same_end() {
    assert_continues(|| question("What is the capital of France?"), &greedy(64), 1);
}

#[test]
fn a_drawn_answer_goes_on_with_the_draws_that_were_its_next() {
    let params = Sampling { temperature: 1.0, seed: Some(7), max_tokens: Some(24), ..Sampling::default() };

    assert_continues(|| question("Tell me a story."), &params, 5);
}

#[test]
fn penalties_remember_the_beginning() {
    let params = Sampling { repeat_penalty: 1.3, frequency_penalty: 0.5, presence_penalty: 0.5, ..greedy(24) };

    assert_continues(|| question("Name ten colours."), &params, 5);
}

#[test]
fn text_that_is_held_back_at_the_cut_is_neither_lost_nor_doubled() {
    // The last word of the answer could become each of these, so it is held back for long.
    let stop = vec!["Paris, the".to_owned(), "France is a".to_owned()];
    let params = Sampling { stop, ..greedy(64) };

    assert_continues(|| question("What is the capital of France?"), &params, 1);
}

#[test]
fn characters_of_several_tokens_are_not_cut_apart() {
    assert_continues(|| Prompt::Text("🦀 🚢 🦊 🦀 🚢 🦊 🦀 🚢".into()), &greedy(16), 1);
}

#[test]
fn a_stop_string_across_the_cut_ends_the_answer() {
    let params = Sampling { stop: vec!["ance is P".into()], ..greedy(64) };

    assert_continues(|| question("What is the capital of France?"), &params, 1);
}

#[test]
fn an_answer_that_had_reached_its_greatest_length_ends_there() {
    let (beginnings, whole) = beginnings(question("Write a long story."), greedy(5));
    let complete = beginnings.last().unwrap().clone();
    assert_eq!(complete.tokens.len(), 5);

    let rest = SHARED.go_on(question("Write a long story."), complete, greedy(5)).finish();

    assert_eq!((rest.text.as_str(), rest.finish_reason), ("", FinishReason::Length));
    assert_eq!(rest.usage.completion_tokens, whole.usage.completion_tokens);
}

#[test]
fn a_beginning_of_another_model_is_refused() {
    let beginnings = [
        Piece { text: "The capital".into(), tokens: vec![1, 2, 3] },
        Piece { text: "The capital".into(), tokens: vec![-1] },
        Piece { text: "The capital".into(), tokens: vec![i32::MAX] },
        Piece { text: "The capital".into(), tokens: Vec::new() },
    ];
    for so_far in beginnings {
        let (code, message) = SHARED.go_on(question("What is rain?"), so_far, greedy(4)).error();

        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.starts_with("`answer_so_far`"), "{message}");
    }
}
