//! An answer that another process has begun goes on as if it had never been interrupted.

use flotilla_engine::protocol::{
    ErrorCode, Event, FinishReason, Output, Piece, Prompt, Sampling, Schema, TokenLogprob,
};
use serde_json::json;

use crate::client::{Answer, SHARED, greedy, question};

/// What the server has after each text event of an answer, and the whole answer.
fn beginnings(prompt: Prompt, params: Sampling, output: Output) -> (Vec<Piece>, Answer) {
    let answering = SHARED.generate_as(prompt, params, output);
    let mut so_far = Piece::default();
    let mut beginnings = vec![so_far.clone()];
    loop {
        match answering.events.recv().unwrap() {
            Event::Text { text, tokens, .. } => {
                so_far.push(&Piece { text, tokens });
                beginnings.push(so_far.clone());
            }
            Event::Done { finish_reason, usage, guessed, .. } => {
                return (beginnings, Answer { text: so_far.text, finish_reason, usage, guessed });
            }
            other => panic!("{other:?}"),
        }
    }
}

fn assert_continues(prompt: impl Fn() -> Prompt, params: &Sampling, step: usize) {
    assert_form_continues(prompt, params, &Output::default(), step);
}

/// Cut the answer behind every `step`th text event, and see each beginning go on to the same end.
fn assert_form_continues(prompt: impl Fn() -> Prompt, params: &Sampling, output: &Output, step: usize) {
    let (beginnings, whole) = beginnings(prompt(), params.clone(), output.clone());
    for so_far in beginnings.into_iter().step_by(step) {
        let beginning = so_far.text.clone();

        let rest = SHARED.go_on(prompt(), so_far, params.clone(), output.clone()).finish();

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

fn person() -> Output {
    let schema = json!({
        "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 12 }, "age": { "type": "integer", "maximum": 120 } },
        "required": ["name", "age"],
        "additionalProperties": false,
    });
    Output { schema: Some(Schema { schema, strict: true }), ..Output::default() }
}

#[test]
fn an_answer_by_a_schema_goes_on_where_its_form_was() {
    let hot = Sampling { temperature: 1.5, seed: Some(3), ..greedy(64) };
    for params in [greedy(64), hot] {
        assert_form_continues(|| question("Describe a person."), &params, &person(), 2);
    }
}

#[test]
fn a_beginning_that_was_not_held_to_the_schema_is_refused() {
    let (beginnings, _) = beginnings(question("What is rain?"), greedy(4), Output::default());
    let free = beginnings.last().unwrap().clone();

    let (code, message) = SHARED.go_on(question("What is rain?"), free, greedy(64), person()).error();

    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.starts_with("`answer_so_far`"), "{message}");
}

#[test]
fn each_tokens_probability_is_told_before_the_cut_or_after_it() {
    let output = Output { logprobs: Some(0), ..Output::default() };
    let (whole, told) = probabilities(Piece::default(), &output);
    for (so_far, told) in told.into_iter().step_by(3) {
        let (rest, _) = probabilities(so_far, &output);

        let bytes = |tokens: &[TokenLogprob]| tokens.iter().map(|token| token.bytes.clone()).collect::<Vec<_>>();
        assert_eq!([bytes(&whole[..told]), bytes(&rest)].concat(), bytes(&whole));
    }
}

/// The probabilities of the tokens that come behind `so_far`; and after each text event, what the server then has and how
/// many probabilities it was told.
fn probabilities(so_far: Piece, output: &Output) -> (Vec<TokenLogprob>, Vec<(Piece, usize)>) {
    // A stop string that is nearly met holds text back.
    let params = Sampling { stop: vec!["Paris, the".to_owned()], ..greedy(64) };
    let mut piece = so_far.clone();
    let answering = SHARED.go_on(question("What is the capital of France?"), so_far, params, output.clone());
    let (mut tokens, mut after_each) = (Vec::new(), Vec::new());
    loop {
        match answering.events.recv().unwrap() {
            Event::Logprobs { tokens: more, .. } => tokens.extend(more),
            Event::Text { text, tokens: named, .. } => {
                piece.push(&Piece { text, tokens: named });
                after_each.push((piece.clone(), tokens.len()));
            }
            Event::Done { .. } => return (tokens, after_each),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_answer_that_had_reached_its_greatest_length_ends_there() {
    let (beginnings, whole) = beginnings(question("Write a long story."), greedy(5), Output::default());
    let complete = beginnings.last().unwrap().clone();
    assert_eq!(complete.tokens.len(), 5);

    let rest = SHARED.go_on(question("Write a long story."), complete, greedy(5), Output::default()).finish();

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
        let (code, message) = SHARED.go_on(question("What is rain?"), so_far, greedy(4), Output::default()).error();

        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.starts_with("`answer_so_far`"), "{message}");
    }
}
