//! What of a prompt was computed before, for whomever, is not computed again.

use flotilla_engine::protocol::{Event, LoadOptions, Prompt, Role};

use crate::client::{Answer, Engine, OPTIONS, greedy, message, question};

/// A conversation of some 200 tokens that begins like no other.
fn conversation(topic: &str) -> Prompt {
    let text = format!("{topic}: {}", "The quick brown fox jumps over the lazy dog. ".repeat(18));
    Prompt::Messages(vec![message(Role::System, &text), message(Role::User, "What does the fox do?")])
}

/// One of many users' conversations, all of which begin with the same instructions.
fn of_user(name: &str) -> Prompt {
    let instructions =
        "You are a helpful assistant. Answer in one short sentence. Never mention foxes or dogs. ".repeat(12);
    Prompt::Messages(vec![
        message(Role::System, &instructions),
        message(Role::User, &format!("My name is {name}. What is the capital of France?")),
    ])
}

fn engine(slots: u32, prefix_memory: u32) -> Engine {
    Engine::with_starter_model(LoadOptions { slots, prefix_memory, ..OPTIONS })
}

fn is_computed_from_its_last_token_only(answer: &Answer) -> bool {
    answer.usage.cached_tokens == answer.usage.prompt_tokens - 1
}

#[test]
fn a_conversation_that_lost_its_slot_goes_on_from_memory_with_the_same_answer() {
    let engine = engine(1, 64);
    let first = engine.answer(conversation("One"), greedy(24));
    for topic in ["Two", "Three"] {
        engine.answer(conversation(topic), greedy(2));
    }

    let again = engine.answer(conversation("One"), greedy(24));

    assert!(is_computed_from_its_last_token_only(&again), "{:?}", again.usage);
    assert_eq!(again.text, first.text);
}

#[test]
fn more_users_than_slots_compute_their_common_instructions_once() {
    let alone = engine(2, 0).answer(of_user("Eve"), greedy(24));
    let engine = engine(2, 64);
    let first = engine.answer(of_user("Ada"), greedy(2));
    // Others that share nothing take both slots, again and again.
    for (name, other) in [("Bob", "One"), ("Cyd", "Two"), ("Dan", "Three")] {
        let user = engine.answer(of_user(name), greedy(2));
        assert!(user.usage.cached_tokens > first.usage.prompt_tokens - 32, "{:?}", user.usage);
        engine.answer(conversation(other), greedy(2));
        engine.answer(conversation(&format!("Another {other}")), greedy(2));
    }

    let last = engine.answer(of_user("Eve"), greedy(24));

    assert!(last.usage.cached_tokens > first.usage.prompt_tokens - 32, "{:?}", last.usage);
    assert_eq!(last.text, alone.text);
}

#[test]
fn users_who_come_together_share_what_one_of_them_still_computes_with() {
    let alone = engine(4, 0).answer(of_user("Bob"), greedy(24));
    let engine = engine(4, 64);
    for topic in ["One", "Two", "Three", "Four"] {
        engine.answer(conversation(topic), greedy(2));
    }
    let busy = engine.generate(of_user("Ada"), greedy(400));
    assert!(matches!(busy.events.recv().unwrap(), Event::Text { .. }));

    // Each takes a slot whose conversation goes to memory, and gets a copy of the busy one's cells, in one step or several.
    let together = ["Bob", "Cyd", "Bob"].map(|name| engine.generate(of_user(name), greedy(24)));
    let [bob, cyd, bob_again] = together.map(|answering| answering.finish());
    engine.cancel(&busy.id);
    let one = engine.answer(conversation("One"), greedy(2));

    for user in [&bob, &cyd, &bob_again] {
        assert!(user.usage.cached_tokens > user.usage.prompt_tokens - 32, "{:?}", user.usage);
    }
    assert_eq!([bob.text, bob_again.text], [alone.text.clone(), alone.text]);
    assert!(is_computed_from_its_last_token_only(&one), "{:?}", one.usage);
}

#[test]
fn when_memory_is_full_the_conversation_unused_for_longest_is_forgotten() {
    // A token of the starter model takes 22.5 KiB, so one of these conversations fits and two do not.
    let engine = engine(1, 8);
    for topic in ["One", "Two", "Three"] {
        engine.answer(conversation(topic), greedy(2));
    }

    let two = engine.answer(conversation("Two"), greedy(2));
    let one = engine.answer(conversation("One"), greedy(2));

    assert!(is_computed_from_its_last_token_only(&two), "{:?}", two.usage);
    assert!(one.usage.cached_tokens < 32, "{:?}", one.usage);
}

#[test]
fn without_memory_nothing_is_kept_beside_the_slots() {
    let engine = engine(1, 0);
    for topic in ["One", "Two"] {
        engine.answer(conversation(topic), greedy(2));
    }

    let one = engine.answer(conversation("One"), greedy(2));

    assert!(one.usage.cached_tokens < 32, "{:?}", one.usage);
}

#[test]
fn what_a_cancelled_answer_has_computed_is_kept_and_right() {
    let engine = engine(1, 64);
    let whole = engine.answer(conversation("One"), greedy(24));
    let cancelled = engine.generate(conversation("Two"), greedy(400));
    assert!(matches!(cancelled.events.recv().unwrap(), Event::Text { .. }));
    engine.cancel(&cancelled.id);
    engine.answer(question("What is rain?"), greedy(2));

    let two = engine.answer(conversation("Two"), greedy(2));
    let one = engine.answer(conversation("One"), greedy(24));

    assert!(is_computed_from_its_last_token_only(&two), "{:?}", two.usage);
    assert_eq!(one.text, whole.text);
}
