//! Conversations: list, search, settings, deletion.

use axum::{Json as Reply, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    chat::{Parameters, check_text, resolve_model},
    dialect::own::ErrorBody,
    error::{Error, Result},
    extract::{Json, Path, Query},
    state::AppState,
    store::{
        self, Conversation, Match, Message,
        conversation::{Change, Cursor},
    },
};

const MAX_TITLE_BYTES: usize = 500;
const MAX_SYSTEM_PROMPT_BYTES: usize = 64 * 1024;
const MAX_PAGE: u64 = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Words to look for in titles and messages; the last one may be a beginning.
    query: Option<String>,
    /// 1 to 200.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConversationList {
    conversations: Vec<ConversationSummary>,
    /// Where the next page begins; `null` on the last one, and always after a search.
    next_cursor: Option<String>,
}

/// A conversation as the list shows it.
#[derive(Serialize, ToSchema)]
pub struct ConversationSummary {
    id: Uuid,
    title: String,
    model: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// The message that was found, after a search.
    #[serde(rename = "match")]
    found: Option<Match>,
}

impl ConversationSummary {
    fn new(conversation: Conversation, found: Option<Match>) -> Self {
        let Conversation { id, title, model, created_at, updated_at, .. } = conversation;
        Self { id, title, model, created_at, updated_at, found }
    }
}

/// A page of the list, newest first, or what a search finds.
#[utoipa::path(get, path = "/api/conversations", tag = "conversations", params(ListQuery),
    responses((status = 200, body = ConversationList), (status = 400, body = ErrorBody)))]
pub async fn list(
    State(state): State<AppState>,
    Query(ListQuery { query, limit, cursor }): Query<ListQuery>,
) -> Result<Reply<ConversationList>> {
    let limit = limit.unwrap_or(50);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Error::invalid("limit", format!("limit must be between 1 and {MAX_PAGE}")));
    }
    if let Some(text) = query.filter(|text| !text.trim().is_empty()) {
        check_text("query", &text)?;
        let found = state.store.search(text.trim(), limit).await?;
        let conversations = found.into_iter().map(|(found, place)| ConversationSummary::new(found, place)).collect();
        return Ok(Reply(ConversationList { conversations, next_cursor: None }));
    }
    let cursor = cursor.as_deref().map(parse_cursor).transpose()?;
    let page = state.store.conversations(cursor, limit).await?;
    let next_cursor =
        (page.len() as u64 == limit).then(|| page.last().map(|last| format_cursor(last.into()))).flatten();
    let conversations = page.into_iter().map(|conversation| ConversationSummary::new(conversation, None)).collect();
    Ok(Reply(ConversationList { conversations, next_cursor }))
}

fn format_cursor(cursor: Cursor) -> String {
    format!("{}_{}", cursor.updated_at.timestamp_micros(), cursor.id.simple())
}

fn parse_cursor(text: &str) -> Result<Cursor> {
    let parse = || {
        let (time, id) = text.split_once('_')?;
        let updated_at = DateTime::from_timestamp_micros(time.parse().ok()?)?;
        Some(Cursor { updated_at, id: id.parse().ok()? })
    };
    parse().ok_or_else(|| Error::invalid("cursor", "cursor must be the next_cursor of a page before"))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewConversation {
    /// Made by the client (version 7) or else by the server.
    id: Option<Uuid>,
    /// Left out, the first message gives the title.
    title: Option<String>,
    model: Option<String>,
    system_prompt: Option<String>,
    parameters: Option<Parameters>,
}

/// Make a conversation.
#[utoipa::path(post, path = "/api/conversations", tag = "conversations", request_body = NewConversation,
    responses(
        (status = 201, body = Conversation),
        (status = 400, body = ErrorBody),
        (status = 404, description = "no such model", body = ErrorBody),
        (status = 409, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ))]
pub async fn create(
    State(state): State<AppState>,
    Json(new): Json<NewConversation>,
) -> Result<(StatusCode, Reply<Conversation>)> {
    check(new.title.as_deref(), new.system_prompt.as_deref(), new.parameters.as_ref())?;
    let model = match new.model {
        Some(model) => Some(resolve_model(&state, model).await?),
        None => None,
    };
    let now = store::now();
    let conversation = Conversation {
        id: new.id.unwrap_or_else(Uuid::now_v7),
        title: new.title.unwrap_or_default(),
        // The store makes it from the title.
        title_folded: String::new(),
        model,
        system_prompt: new.system_prompt,
        parameters: new.parameters,
        head_id: None,
        created_at: now,
        updated_at: now,
    };
    if state.store.conversation(conversation.id).await?.is_some() {
        return Err(Error::conflict("there is another conversation with this id"));
    }
    Ok((StatusCode::CREATED, Reply(state.store.create_conversation(conversation).await?)))
}

/// A conversation with every message of its tree, oldest first.
#[derive(Serialize, ToSchema)]
pub struct ConversationWithMessages {
    conversation: Conversation,
    messages: Vec<Message>,
}

#[utoipa::path(get, path = "/api/conversations/{id}", tag = "conversations",
    responses((status = 200, body = ConversationWithMessages), (status = 404, body = ErrorBody)))]
pub async fn show(State(state): State<AppState>, Path(id): Path<Uuid>) -> Result<Reply<ConversationWithMessages>> {
    let conversation = find(&state, id).await?;
    let messages = state.store.messages(id).await?;
    Ok(Reply(ConversationWithMessages { conversation, messages }))
}

/// What to change. A field that is left out stays; `null` clears it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConversationChange {
    title: Option<String>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    model: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    system_prompt: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Parameters>)]
    parameters: Option<Option<Parameters>>,
    /// The last message of the branch to show.
    head_id: Option<Uuid>,
}

/// Tells a field that is `null` from one that is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[utoipa::path(patch, path = "/api/conversations/{id}", tag = "conversations", request_body = ConversationChange,
    responses(
        (status = 200, body = Conversation),
        (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody),
        (status = 503, body = ErrorBody),
    ))]
pub async fn update(
    State(state): State<AppState>,
    Path(id): Path<Uuid>,
    Json(change): Json<ConversationChange>,
) -> Result<Reply<Conversation>> {
    find(&state, id).await?;
    if let Some(head_id) = change.head_id {
        let head = state.store.message(head_id).await?;
        if head.is_none_or(|head| head.conversation_id != id) {
            return Err(Error::invalid("head_id", "head_id is not a message of this conversation"));
        }
    }
    let ConversationChange { title, model, system_prompt, parameters, head_id } = change;
    check(
        title.as_deref(),
        system_prompt.as_ref().and_then(Option::as_deref),
        parameters.as_ref().and_then(Option::as_ref),
    )?;
    let model = match model {
        Some(Some(model)) => Some(Some(resolve_model(&state, model).await?)),
        cleared_or_left => cleared_or_left,
    };
    let change = Change { title, model, system_prompt, parameters, head_id };
    Ok(Reply(state.store.update_conversation(id, change).await?))
}

/// Delete a conversation with its messages. An answer that is being written to it stops.
#[utoipa::path(delete, path = "/api/conversations/{id}", tag = "conversations",
    responses((status = 204), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub async fn delete(State(state): State<AppState>, Path(id): Path<Uuid>) -> Result<StatusCode> {
    for run in state.store.streaming_runs(id).await? {
        state.runs.stop(run.id);
    }
    match state.store.delete_conversation(id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Error::not_found("conversation")),
    }
}

/// The conversation, or 404.
pub(super) async fn find(state: &AppState, id: Uuid) -> Result<Conversation> {
    state.store.conversation(id).await?.ok_or_else(|| Error::not_found("conversation"))
}

fn check(title: Option<&str>, system_prompt: Option<&str>, parameters: Option<&Parameters>) -> Result<()> {
    check_length("title", title.unwrap_or_default(), MAX_TITLE_BYTES)?;
    check_length("system_prompt", system_prompt.unwrap_or_default(), MAX_SYSTEM_PROMPT_BYTES)?;
    parameters.map_or(Ok(()), |parameters| parameters.check("parameters."))
}

fn check_length(param: &str, text: &str, max_bytes: usize) -> Result<()> {
    check_text(param, text)?;
    match text.len() > max_bytes {
        true => Err(Error::invalid(param, format!("{param} must be at most {max_bytes} bytes"))),
        false => Ok(()),
    }
}
