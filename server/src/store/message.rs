//! Messages: a tree. A message knows its parent; siblings are other versions of the same turn.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use flotilla_engine::protocol::FinishReason;
use sea_orm::{FromJsonQueryResult, QueryOrder, entity::prelude::*};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Store;
use crate::chat::ContextReport;

pub type Message = Model;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DeriveEntityModel, ToSchema)]
#[sea_orm(table_name = "messages")]
#[schema(as = Message)]
pub struct Model {
    /// Version 7; made by the client for user messages, so that sending twice makes one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub conversation_id: Uuid,
    /// `None` for a first message. Several first messages are versions of each other.
    pub parent_id: Option<Uuid>,
    pub role: MessageRole,
    pub content: String,
    pub status: Status,
    /// Why the answer failed.
    pub error: Option<MessageError>,
    /// The model that answered.
    pub model: Option<String>,
    /// The run that writes or wrote this answer.
    pub run_id: Option<Uuid>,
    pub details: Option<Details>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum, ToSchema)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    User,
    Assistant,
}

/// How far a message or its run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum, ToSchema)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Streaming,
    Complete,
    /// The user stopped it; the content is what had arrived.
    Stopped,
    /// The server or the engine went away in the middle; the content is what had arrived.
    Interrupted,
    Error,
}

/// Why an answer failed, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult, ToSchema)]
pub struct MessageError {
    pub code: String,
    pub message: String,
}

/// What an answer cost and what the model was told. Token counts are missing when the engine could not report them, as
/// other servers do not after Stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromJsonQueryResult, ToSchema)]
pub struct Details {
    #[schema(value_type = Option<String>)]
    pub finish_reason: Option<FinishReason>,
    pub prompt_tokens: Option<u32>,
    /// The part of `prompt_tokens` that came from the engine's cache.
    pub cached_tokens: Option<u32>,
    pub completion_tokens: Option<u32>,
    /// Milliseconds that the request waited for a slot of the engine.
    pub queued_ms: Option<f64>,
    /// Milliseconds from the request to the first piece of text.
    pub time_to_first_token_ms: Option<f64>,
    pub tokens_per_second: Option<f64>,
    pub context: ContextReport,
}

impl Store {
    /// All messages of a conversation, oldest first. Ids are UUIDv7, but clients make some of them, so time decides.
    pub async fn messages(&self, conversation_id: Uuid) -> Result<Vec<Message>, DbErr> {
        Entity::find()
            .filter(Column::ConversationId.eq(conversation_id))
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id)
            .all(&self.read)
            .await
    }

    pub async fn message(&self, id: Uuid) -> Result<Option<Message>, DbErr> {
        Entity::find_by_id(id).one(&self.read).await
    }

    /// The messages from the root down to `leaf`, both included; empty when there is no such message.
    pub async fn branch(&self, conversation_id: Uuid, leaf: Uuid) -> Result<Vec<Message>, DbErr> {
        let mut messages: HashMap<Uuid, Message> =
            self.messages(conversation_id).await?.into_iter().map(|message| (message.id, message)).collect();
        let mut branch = Vec::new();
        let mut next = Some(leaf);
        // Taking each message out ends the walk even if parents ever formed a circle.
        while let Some(message) = next.and_then(|id| messages.remove(&id)) {
            next = message.parent_id;
            branch.push(message);
        }
        branch.reverse();
        Ok(branch)
    }
}
