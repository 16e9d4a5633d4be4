//! Tokens that are guessed ahead change how fast an answer comes and nothing else.

use std::sync::LazyLock;

use flotilla_engine::protocol::{Event, FinishReason, LoadOptions, Output, Piece, Prompt, Sampling};

use crate::client::{Answer, Engine, OPTIONS, greedy, question};

/// The same engine, but it guesses nothing.
static PLAIN: LazyLock<Engine> =
    LazyLock::new(|| Engine::with_starter_model(LoadOptions { guess_tokens: 0, ..OPTIONS }));

const TEXT: &str = "On the first morning of spring the harbour master counted the boats again. There were nineteen, two fewer \
    than in autumn. The Marigold had gone north with a load of slate, and nobody had heard from her since January. ";

/// A text that stands there twice and has begun for the third time, which any model continues with what it has read.
fn quoting() -> Prompt {
    Prompt::Text(format!("{TEXT}\n\n{TEXT}\n\nOn the first morning"))
}

/// An engine for one test alone: it guesses only while it has one chat or two.
fn guessing() -> Engine {
    Engine::with_starter_model(OPTIONS)
}

fn with_and_without(prompt: impl Fn() -> Prompt, params: &Sampling) -> [Answer; 2] {
    [&guessing(), &PLAIN].map(|engine| engine.answer(prompt(), params.clone()))
}

#[test]
fn an_answer_that_quotes_is_the_same_with_guesses_most_of_which_are_right() {
    let [with, without] = with_and_without(quoting, &greedy(48));

    assert_eq!(with.text, without.text);
    assert_eq!(with.usage.completion_tokens, 48);
    assert!(with.guessed > 24, "{}", with.guessed);
    assert_eq!(without.guessed, 0);
}

#[test]
fn an_answer_that_quotes_nothing_is_the_same_with_guesses() {
    let [with, without] = with_and_without(|| question("What is the capital of France?"), &greedy(64));

    assert_eq!(with.text, without.text);
}

#[test]
fn a_drawn_answer_gets_the_same_draws_with_guesses() {
    let warm = Sampling { temperature: 0.8, seed: Some(7), repeat_penalty: 1.05, ..greedy(48) };
    let [with, without] = with_and_without(quoting, &warm);

    assert_eq!(with.text, without.text);
    assert!(with.guessed > 0);
}

#[test]
fn an_answer_ends_in_the_middle_of_guesses_where_it_would_end_without_them() {
    let engine = guessing();
    for max_tokens in 2..10 {
        let with = engine.answer(quoting(), greedy(max_tokens));
        let without = PLAIN.answer(quoting(), greedy(max_tokens));
        assert_eq!((with.text, with.usage.completion_tokens), (without.text, max_tokens));
    }

    let params = Sampling { stop: vec!["counted the".to_owned()], ..greedy(48) };
    let [with, without] = with_and_without(quoting, &params);
    assert_eq!((with.text, with.finish_reason), (without.text, FinishReason::Stop));
    assert_eq!(with.usage.completion_tokens, without.usage.completion_tokens);
}

#[test]
fn what_was_guessed_wrong_is_not_left_in_the_cache() {
    let engine = guessing();
    let warm = Sampling { temperature: 1.5, seed: Some(3), ..greedy(48) };
    let first = engine.answer(quoting(), warm.clone());

    let again = engine.answer(quoting(), warm);

    assert_eq!(again.usage.cached_tokens, again.usage.prompt_tokens - 1);
    assert_eq!(again.text, first.text);
}

#[test]
fn two_chats_at_once_are_both_guessed_and_more_are_all_the_same() {
    let alone = PLAIN.answer(quoting(), greedy(48));
    let engine = guessing();
    engine.answer(quoting(), greedy(1));

    for count in 2..=4 {
        let together: Vec<_> = (0..count).map(|_| engine.generate(quoting(), greedy(48))).collect();
        for answer in together.into_iter().map(|answering| answering.finish()) {
            assert_eq!(answer.text, alone.text);
            assert!(answer.guessed > 0 || count > 2, "{count}: {}", answer.guessed);
        }
    }
}

#[test]
fn each_guessed_tokens_probability_is_told() {
    let output = Output { logprobs: Some(0), ..Output::default() };
    let engine = guessing();
    let answering = engine.go_on(quoting(), Piece::default(), greedy(24), output);
    let (mut told, mut text) = (Vec::new(), String::new());
    let guessed = loop {
        match answering.events.recv().unwrap() {
            Event::Logprobs { tokens, .. } => told.extend(tokens.into_iter().flat_map(|token| token.bytes)),
            Event::Text { text: piece, .. } => text += &piece,
            Event::Done { guessed, .. } => break guessed,
            other => panic!("{other:?}"),
        }
    };

    assert_eq!(String::from_utf8(told).unwrap(), text);
    assert!(guessed > 0);
}
