//! Which messages of a conversation reach the model: the system prompt, then the newest ones that fit.
//!
//! First by number ([`newest`]), then by tokens ([`fit`]). What was left out is counted and reported, never hidden.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::engine::{Engine, EngineError, PromptMessage, PromptSize, Role};

/// What the model was told of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextReport {
    /// Messages that were sent, the system prompt not counted.
    pub messages_sent: u32,
    /// Older messages that were left out.
    pub messages_left_out: u32,
    /// Tokens that one chat may hold, when the engine says so.
    pub context_length: Option<u32>,
    /// The limit on the number of messages (MAX_CONTEXT_MESSAGES), where one applies.
    pub max_messages: Option<u32>,
}

impl ContextReport {
    /// For messages that are sent as they are.
    pub fn untrimmed(messages: &[PromptMessage]) -> Self {
        Self { messages_sent: turns(messages), ..Self::default() }
    }
}

/// Tokens kept free for the answer when the request sets no `max_tokens`: a quarter of the context, at most this.
const DEFAULT_REPLY_TOKENS: u32 = 512;

/// Every system message and the newest `max` others, in order. The first of them is a user's message where the
/// conversation has one to begin with: many chat templates refuse a history that opens with the assistant.
pub fn newest(messages: &[PromptMessage], max: usize) -> Vec<PromptMessage> {
    let mut left_out = (turns(messages) as usize).saturating_sub(max);
    let mut kept: Vec<PromptMessage> = Vec::with_capacity(messages.len() - left_out);
    for message in messages {
        if message.role != Role::System && left_out > 0 {
            left_out -= 1;
        } else {
            kept.push(message.clone());
        }
    }
    if kept.len() < messages.len() {
        drop_leading_answers(&mut kept);
    }
    kept
}

/// Leave out the oldest user message with its answers. `false` when only the last message is left.
pub fn drop_oldest(messages: &mut Vec<PromptMessage>) -> bool {
    let Some(oldest) = messages.iter().position(|message| message.role != Role::System) else { return false };
    if turns(messages) <= 1 {
        return false;
    }
    messages.remove(oldest);
    drop_leading_answers(messages);
    true
}

fn drop_leading_answers(messages: &mut Vec<PromptMessage>) {
    while let Some(first) = messages.iter().position(|message| message.role != Role::System) {
        if messages[first].role == Role::User || turns(messages) <= 1 {
            break;
        }
        messages.remove(first);
    }
}

fn turns(messages: &[PromptMessage]) -> u32 {
    messages.iter().filter(|message| message.role != Role::System).count() as u32
}

/// The newest messages that leave room for an answer of `reply_tokens`, and the report of it.
///
/// An engine that cannot measure a prompt gets all of [`newest`]; it refuses a prompt that is too long, and the
/// caller then drops the oldest turn and tries again.
///
/// Measuring asks the engine, so the number of turns to drop is found by halving: fewer messages are never more tokens.
pub async fn fit(
    engine: &dyn Engine,
    model: &str,
    messages: &[PromptMessage],
    max_messages: u32,
    reply_tokens: Option<u32>,
) -> Result<(Vec<PromptMessage>, ContextReport), EngineError> {
    let newest = newest(messages, max_messages as usize);
    let Some(size) = engine.measure(model, &newest).await? else {
        let report = report(messages, &newest, max_messages, None);
        return Ok((newest, report));
    };
    let leaves_room = |size: PromptSize| {
        let reply = reply_tokens.unwrap_or(DEFAULT_REPLY_TOKENS).min(size.context_length / 4);
        size.prompt_tokens + reply <= size.context_length
    };
    let most = droppable(&newest);
    let (mut too_few, mut enough) = (0, if leaves_room(size) { 0 } else { most });
    while enough - too_few > 1 {
        let middle = usize::midpoint(too_few, enough);
        match engine.measure(model, &without_oldest(&newest, middle)).await? {
            Some(size) if !leaves_room(size) => too_few = middle,
            _ => enough = middle,
        }
    }
    let kept = without_oldest(&newest, enough);
    let report = report(messages, &kept, max_messages, Some(size.context_length));
    Ok((kept, report))
}

/// How often the oldest turn can be dropped until only the last message is left.
fn droppable(messages: &[PromptMessage]) -> usize {
    let mut kept = messages.to_vec();
    std::iter::from_fn(|| drop_oldest(&mut kept).then_some(())).count()
}

fn without_oldest(messages: &[PromptMessage], count: usize) -> Vec<PromptMessage> {
    let mut kept = messages.to_vec();
    for _ in 0..count {
        drop_oldest(&mut kept);
    }
    kept
}

/// The report for `kept` out of `messages`.
pub fn report(
    messages: &[PromptMessage],
    kept: &[PromptMessage],
    max_messages: u32,
    context_length: Option<u32>,
) -> ContextReport {
    let (all, sent) = (turns(messages), turns(kept));
    ContextReport {
        messages_sent: sent,
        messages_left_out: all - sent,
        context_length,
        max_messages: Some(max_messages),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{ChatRequest, ChatStream, Model, Scripted};

    /// Measures in words, and counts how often it is asked to.
    struct Counting {
        engine: Scripted,
        measured: AtomicU32,
    }

    impl Counting {
        fn new(context_length: u32) -> Self {
            Self { engine: Scripted::new(vec![]).with_context_length(context_length), measured: AtomicU32::new(0) }
        }

        fn fits(&self, messages: &[PromptMessage], reply_tokens: u32) -> bool {
            let size = block_on(self.engine.measure("scripted", messages)).unwrap().unwrap();
            size.prompt_tokens + reply_tokens.min(size.context_length / 4) <= size.context_length
        }
    }

    #[async_trait]
    impl Engine for Counting {
        async fn models(&self) -> Result<Vec<Model>, EngineError> {
            self.engine.models().await
        }

        async fn ready(&self, model: &str) -> Result<(), EngineError> {
            self.engine.ready(model).await
        }

        async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
            self.measured.fetch_add(1, Ordering::Relaxed);
            self.engine.measure(model, messages).await
        }

        async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
            self.engine.chat(request).await
        }
    }

    fn conversation() -> impl Strategy<Value = Vec<PromptMessage>> {
        let role = prop_oneof![Just(Role::User), Just(Role::Assistant), Just(Role::System)];
        let turn = (role, "[a-z ]{0,12}").prop_map(|(role, content)| PromptMessage::new(role, content));
        let last = "[a-z ]{1,12}".prop_map(|content| PromptMessage::new(Role::User, content));
        (prop::collection::vec(turn, 0..40), last).prop_map(|(mut messages, last)| {
            messages.push(last);
            messages
        })
    }

    fn is_subsequence(part: &[PromptMessage], whole: &[PromptMessage]) -> bool {
        let mut rest = whole.iter();
        part.iter().all(|message| rest.any(|other| other == message))
    }

    fn system(messages: &[PromptMessage]) -> Vec<&PromptMessage> {
        messages.iter().filter(|message| message.role == Role::System).collect()
    }

    proptest! {
        #[test]
        fn the_system_prompt_and_the_last_message_always_stay_and_the_order_never_changes(
            messages in conversation(), max in 1usize..30,
        ) {
            let kept = newest(&messages, max);
            prop_assert_eq!(system(&kept), system(&messages));
            prop_assert_eq!(kept.last(), messages.last());
            prop_assert!(turns(&kept) as usize <= max);
            prop_assert!(is_subsequence(&kept, &messages));
        }

        #[test]
        fn a_conversation_within_the_limit_is_sent_whole(messages in conversation()) {
            prop_assert_eq!(newest(&messages, messages.len()), messages);
        }

        #[test]
        fn dropping_the_oldest_ends_with_the_last_message_and_begins_with_a_user(messages in conversation()) {
            let mut kept = messages.clone();
            let mut before = turns(&kept);
            while drop_oldest(&mut kept) {
                prop_assert!(turns(&kept) < before);
                before = turns(&kept);
                prop_assert_eq!(kept.iter().find(|m| m.role != Role::System).map(|m| m.role), Some(Role::User));
                prop_assert_eq!(system(&kept), system(&messages));
            }
            prop_assert_eq!(turns(&kept), 1);
            prop_assert_eq!(kept.last(), messages.last());
        }

        #[test]
        fn no_more_turns_are_dropped_than_have_to_be(
            messages in conversation(), context_length in 1u32..80, max in 1u32..30, reply in 1u32..40,
        ) {
            let engine = Counting::new(context_length);
            let (kept, report) = block_on(fit(&engine, "scripted", &messages, max, Some(reply))).unwrap();
            let mut expected = newest(&messages, max as usize);
            while !engine.fits(&expected, reply) && drop_oldest(&mut expected) {}
            prop_assert_eq!(&kept, &expected);
            prop_assert_eq!(report.messages_sent, turns(&kept));
            prop_assert_eq!(report.messages_sent + report.messages_left_out, turns(&messages));
        }
    }

    #[test]
    fn a_long_conversation_is_measured_a_few_times_only() {
        let message = |role| PromptMessage::new(role, "word");
        let conversation: Vec<_> = [Role::User, Role::Assistant].map(message).into_iter().cycle().take(1001).collect();
        let engine = Counting::new(100);
        let (kept, report) = block_on(fit(&engine, "scripted", &conversation, 2000, Some(10))).unwrap();
        assert_eq!((kept.len(), report.messages_left_out), (89, 912));
        assert!(engine.measured.into_inner() <= 10, "500 turns take nine halvings after the first look");
    }
}
