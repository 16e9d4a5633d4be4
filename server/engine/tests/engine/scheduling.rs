//! Chats beside and after each other.

use flotilla_engine::protocol::{Event, FinishReason, LoadOptions, Prompt, Role, Sampling};

use crate::client::{Answering, Engine, OPTIONS, SHARED, greedy, message, question};

fn wait_for_text(answering: &Answering) {
    assert!(matches!(answering.events.recv().unwrap(), Event::Text { .. }));
}

#[test]
fn the_second_turn_reuses_the_first() {
    let engine = Engine::with_starter_model(OPTIONS);
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(8);
    let mut turns = vec![message(Role::User, &long)];
    let first = engine.answer(Prompt::Messages(turns.clone()), greedy(16));
    turns.extend([message(Role::Assistant, &first.text), message(Role::User, "Go on.")]);

    let second = engine.answer(Prompt::Messages(turns), greedy(1));

    assert_eq!(first.usage.cached_tokens, 0);
    assert!(second.usage.cached_tokens >= first.usage.prompt_tokens, "{:?}", second.usage);
}

#[test]
fn the_same_prompt_again_is_computed_from_its_last_token_only() {
    let engine = Engine::with_starter_model(OPTIONS);
    let first = engine.answer(question("What is rain?"), greedy(16));

    let second = engine.answer(question("What is rain?"), greedy(16));

    assert_eq!(second.usage.cached_tokens, first.usage.prompt_tokens - 1);
    assert_eq!(second.text, first.text);
}

#[test]
fn a_prefix_is_shared_with_a_chat_that_still_decodes() {
    let engine = Engine::with_starter_model(OPTIONS);
    let busy = engine.generate(question("Write a long story."), greedy(900));
    wait_for_text(&busy);

    let other = engine.answer(question("What is the capital of France?"), greedy(64));

    engine.cancel(&busy.id);
    assert!(other.usage.cached_tokens > 8, "{:?}", other.usage);
    assert_eq!(other.text, "The capital of France is Paris.");
}

#[test]
fn an_old_conversation_is_continued_after_many_others() {
    let engine = Engine::with_starter_model(LoadOptions { slots: 2, ..OPTIONS });
    let conversation = |text: &str| question(&format!("{text} ").repeat(20));
    for text in ["one", "two", "three", "four"] {
        engine.answer(conversation(text), greedy(2));
    }

    let again = engine.answer(conversation("four"), greedy(2));

    assert_eq!(again.usage.cached_tokens, again.usage.prompt_tokens - 1);
}

#[test]
fn requests_beyond_the_slots_wait_in_the_order_of_their_arrival() {
    let engine = Engine::with_starter_model(LoadOptions { slots: 1, ..OPTIONS });
    let requests = ["one", "two", "three"].map(|text| engine.generate(question(text), greedy(4)));

    let queued = requests.map(|request| {
        request.events.iter().find_map(|event| match event {
            Event::Done { timings, .. } => Some(timings.queued_ms),
            _ => None,
        })
    });

    assert!(queued.is_sorted(), "{queued:?}");
}

#[test]
fn a_cancelled_answer_ends_at_once_with_exact_counts() {
    let answering = SHARED.generate(question("Write a long story."), greedy(900));
    let Event::Text { tokens, .. } = answering.events.recv().unwrap() else { panic!("text comes first") };

    SHARED.cancel(&answering.id);

    let mut shown = tokens.len() as u32;
    let usage = loop {
        match answering.events.recv().unwrap() {
            Event::Text { tokens, .. } => shown += tokens.len() as u32,
            Event::Done { finish_reason, usage, .. } => {
                assert_eq!(finish_reason, FinishReason::Cancelled);
                break usage;
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(usage.completion_tokens < 900);
    assert_eq!(usage.completion_tokens, shown);
}

#[test]
fn a_waiting_request_can_be_cancelled() {
    let engine = Engine::with_starter_model(LoadOptions { slots: 1, ..OPTIONS });
    let busy = engine.generate(question("Write a long story."), greedy(900));
    wait_for_text(&busy);
    let waiting = engine.generate(question("What is rain?"), greedy(4));

    engine.cancel(&waiting.id);

    let answer = waiting.finish();
    assert_eq!(answer.finish_reason, FinishReason::Cancelled);
    assert_eq!(answer.usage.completion_tokens, 0);
}

#[test]
fn a_long_prompt_does_not_stop_the_others() {
    let engine = Engine::with_starter_model(OPTIONS);
    let talking = engine.generate(question("Write a long story."), greedy(900));
    wait_for_text(&talking);

    let long = engine.generate(Prompt::Text("word ".repeat(700)), greedy(1));
    let mut tokens_meanwhile = 0;
    while long.events.try_recv().is_err() {
        wait_for_text(&talking);
        tokens_meanwhile += 1;
    }

    engine.cancel(&talking.id);
    assert!(tokens_meanwhile >= 2, "{tokens_meanwhile}");
}

#[test]
fn different_sampling_parameters_decode_in_one_batch() {
    let warm = Sampling { temperature: 1.5, seed: Some(1), max_tokens: Some(24), ..Sampling::default() };
    let creative = SHARED.generate(question("Write a poem."), warm);

    let exact = SHARED.answer(question("What is the capital of France?"), greedy(64));

    creative.finish();
    assert_eq!(exact.text, "The capital of France is Paris.");
}
