//! Starting a turn: a new message of the user, or another answer to one that is there.

use chrono::{DateTime, Utc};
use sea_orm::SqlErr;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Parameters, Question, Queued,
    admission::Call,
    check_text, default_model, refuse_while_draining, resolve_model,
    run::{LEASE, Past},
};
use crate::{
    engine::{Output, PromptMessage, Role, seed_of},
    error::{Error, Result},
    state::AppState,
    store::{
        self, Conversation, Message, Run,
        message::{MessageRole, Status},
        run::{NewTurn, Settings},
    },
};

/// A message of the user and the answer that is being written to it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Turn {
    pub user_message: Message,
    pub assistant_message: Message,
    /// Where the answer's events are: `/api/runs/{run_id}/events`.
    pub run_id: Uuid,
}

/// A message to send.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// Made by the client (version 7), so that sending again after a lost reply does not make a second message.
    pub id: Option<Uuid>,
    /// The answer that it follows; left out for a first message.
    pub parent_id: Option<Uuid>,
    pub content: String,
    /// Instead of the conversation's model.
    pub model: Option<String>,
}

const MAX_CONTENT_BYTES: usize = 512 * 1024;
const MAX_TITLE_CHARS: usize = 60;

/// Keep the user's message with a placeholder for the answer, and start the run that writes it.
pub async fn post_message(state: &AppState, call: &Call, conversation: Conversation, new: NewMessage) -> Result<Turn> {
    if new.content.trim().is_empty() {
        return Err(Error::invalid("content", "content must not be empty"));
    }
    check_text("content", &new.content)?;
    if new.content.len() > MAX_CONTENT_BYTES {
        return Err(Error::invalid("content", format!("content must be at most {MAX_CONTENT_BYTES} bytes")));
    }
    if let Some(id) = new.id
        && let Some(turn) = sent_before(state, &conversation, id, new.parent_id, &new.content).await?
    {
        return Ok(turn);
    }
    let mut branch = match new.parent_id {
        Some(parent) => branch(state, &conversation, parent).await?,
        None => Vec::new(),
    };
    if let Some(parent) = branch.last() {
        if parent.role != MessageRole::Assistant {
            return Err(Error::invalid("parent_id", "parent_id must be an answer"));
        }
        if parent.status == Status::Streaming {
            return Err(Error::conflict("the answer before this message is still being written"));
        }
    }
    let user = Message {
        id: new.id.unwrap_or_else(Uuid::now_v7),
        conversation_id: conversation.id,
        parent_id: new.parent_id,
        role: MessageRole::User,
        content: new.content,
        status: Status::Complete,
        error: None,
        model: None,
        run_id: None,
        details: None,
        created_at: store::now(),
    };
    branch.push(user);
    start(state, call, conversation, branch, new.model, IsNew::Yes).await
}

/// Write another answer to a message of the user: Regenerate, and Retry after a failure.
pub async fn answer_again(
    state: &AppState,
    call: &Call,
    conversation: Conversation,
    parent_id: Uuid,
    model: Option<String>,
) -> Result<Turn> {
    let branch = branch(state, &conversation, parent_id).await?;
    if branch.last().is_none_or(|parent| parent.role != MessageRole::User) {
        return Err(Error::invalid("parent_id", "parent_id must be a message of the user"));
    }
    start(state, call, conversation, branch, model, IsNew::No).await
}

#[derive(PartialEq, Eq)]
enum IsNew {
    Yes,
    No,
}

/// Start the run that answers the last message of `branch`.
async fn start(
    state: &AppState,
    call: &Call,
    conversation: Conversation,
    mut branch: Vec<Message>,
    model: Option<String>,
    is_new: IsNew,
) -> Result<Turn> {
    refuse_while_draining(state)?;
    let model = match model.or_else(|| conversation.model.clone()) {
        Some(model) => Some(resolve_model(state, model).await?),
        None => None,
    };
    let settings = Settings {
        system_prompt: conversation.system_prompt.clone(),
        parameters: conversation.parameters.clone().unwrap_or_default(),
    };
    let messages = prompt_messages(settings.system_prompt.clone(), &branch);
    // Before anything is kept: whoever is refused has sent nothing.
    let run_id = Uuid::now_v7();
    let question = question(run_id, asked_model(state, model.clone()).await, messages, settings.parameters.clone());
    let place = state.admission.join(call, question.model.as_deref().unwrap_or_default(), question.cost())?;
    let Some(user_message) = branch.pop() else { return Err(Error::not_found("message")) };
    let now = just_after(user_message.created_at);
    let assistant_message = Message {
        id: Uuid::now_v7(),
        conversation_id: conversation.id,
        parent_id: Some(user_message.id),
        role: MessageRole::Assistant,
        content: String::new(),
        status: Status::Streaming,
        error: None,
        model: model.clone(),
        run_id: Some(run_id),
        details: None,
        created_at: now,
    };
    let run = Run {
        id: run_id,
        conversation_id: conversation.id,
        message_id: assistant_message.id,
        status: Status::Streaming,
        owner: state.runs.owner,
        lease_until: store::now() + LEASE,
        stop_requested: false,
        settings: Some(settings.clone()),
        adoptions: 0,
        adopted_at: 0,
        followed_at: None,
        created_at: now,
        finished_at: None,
    };
    let turn = NewTurn {
        user: (is_new == IsNew::Yes).then(|| user_message.clone()),
        assistant: assistant_message.clone(),
        run: run.clone(),
        title: conversation.title.is_empty().then(|| title(&user_message.content)),
    };
    if let Err(error) = state.store.begin_turn(turn).await {
        // The same message was sent twice at once, and the other request was first.
        let Message { id, parent_id, content, .. } = &user_message;
        if is_new == IsNew::Yes
            && matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
            && let Some(turn) = sent_before(state, &conversation, *id, *parent_id, content).await?
        {
            return Ok(turn);
        }
        return Err(error.into());
    }
    state.runs.spawn(state.clone(), run, assistant_message.clone(), Queued { question, place }, Past::default());
    Ok(Turn { user_message, assistant_message, run_id })
}

/// The model in whose line a run waits. `None` while the engine cannot say which is the default; the answer finds out.
pub(super) async fn asked_model(state: &AppState, model: Option<String>) -> Option<String> {
    match model {
        Some(model) => Some(model),
        None => default_model(state).await.ok().map(|model| model.id),
    }
}

/// The messages down to `leaf`.
async fn branch(state: &AppState, conversation: &Conversation, leaf: Uuid) -> Result<Vec<Message>> {
    let branch = state.store.branch(conversation.id, leaf).await?;
    if branch.is_empty() {
        return Err(Error::invalid("parent_id", "parent_id is not a message of this conversation"));
    }
    Ok(branch)
}

/// The turn that an earlier request with the same message id started, if there was one. A message that is not the same
/// is a conflict.
async fn sent_before(
    state: &AppState,
    conversation: &Conversation,
    id: Uuid,
    parent_id: Option<Uuid>,
    content: &str,
) -> Result<Option<Turn>> {
    let Some(sent) = state.store.message(id).await? else { return Ok(None) };
    if sent.conversation_id != conversation.id || sent.content != content || sent.parent_id != parent_id {
        return Err(Error::conflict("there is another message with this id"));
    }
    let answers = state.store.messages(conversation.id).await?;
    let answer = answers.into_iter().rfind(|message| message.parent_id == Some(sent.id));
    match answer {
        Some(assistant_message) if assistant_message.run_id.is_some() => {
            let run_id = assistant_message.run_id.unwrap_or_default();
            Ok(Some(Turn { user_message: sent, assistant_message, run_id }))
        }
        _ => Err(Error::conflict("there is another message with this id")),
    }
}

/// What the run asks. The seed follows from its id, so that whoever takes it over draws what it would have drawn.
pub(super) fn question(
    run_id: Uuid,
    model: Option<String>,
    messages: Vec<PromptMessage>,
    parameters: Parameters,
) -> Question {
    let question = Question::new(model, messages, parameters, Output::default());
    Question { seed: Some(seed_of(run_id)), ..question }
}

/// What the engine is told: the system prompt, then the branch. Answers that failed before their first word say nothing.
pub(super) fn prompt_messages(system_prompt: Option<String>, branch: &[Message]) -> Vec<PromptMessage> {
    let system = system_prompt.filter(|prompt| !prompt.trim().is_empty());
    let system = system.map(|content| PromptMessage::new(Role::System, content));
    let spoken = branch.iter().filter(|message| !message.content.is_empty()).map(|message| {
        let role = match message.role {
            MessageRole::User => Role::User,
            MessageRole::Assistant => Role::Assistant,
        };
        PromptMessage::new(role, message.content.clone())
    });
    system.into_iter().chain(spoken).collect()
}

/// Now, but after `earlier`, so that sorting by time keeps an answer behind its question.
fn just_after(earlier: DateTime<Utc>) -> DateTime<Utc> {
    store::now().max(earlier + chrono::TimeDelta::microseconds(1))
}

/// The first line of a message, cut between words.
fn title(content: &str) -> String {
    let line = content.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.chars().count() <= MAX_TITLE_CHARS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(MAX_TITLE_CHARS).collect();
    let words = cut.rsplit_once(char::is_whitespace).map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_cut_between_words() {
        assert_eq!(title("\n  Why is the sky blue?\nAsk again."), "Why is the sky blue?");
        let long = "word ".repeat(30);
        assert_eq!(title(&long).chars().last(), Some('…'));
        assert!(title(&long).chars().count() <= MAX_TITLE_CHARS + 1);
        assert!(!title(&"x".repeat(200)).is_empty());
    }
}
