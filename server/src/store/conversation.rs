//! Conversations: a title, how the model is asked, and which branch was shown last.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect, entity::prelude::*};
use serde::Serialize;
use utoipa::ToSchema;

use super::Store;
use crate::chat::Parameters;

pub type Conversation = Model;

#[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel, ToSchema)]
#[sea_orm(table_name = "conversations")]
#[schema(as = Conversation)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Empty until the first message gives it one or the user does.
    pub title: String,
    /// `None` asks the default model.
    pub model: Option<String>,
    pub system_prompt: Option<String>,
    pub parameters: Option<Parameters>,
    /// The last message of the branch that is shown; the way up to the root is the conversation.
    pub head_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a page of the list begins: after this conversation, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub updated_at: DateTime<Utc>,
    pub id: Uuid,
}

impl From<&Conversation> for Cursor {
    fn from(conversation: &Conversation) -> Self {
        Self { updated_at: conversation.updated_at, id: conversation.id }
    }
}

impl Store {
    /// The conversations after `cursor`, newest first.
    pub async fn conversations(&self, cursor: Option<Cursor>, limit: u64) -> Result<Vec<Conversation>, DbErr> {
        let mut query = Entity::find().order_by_desc(Column::UpdatedAt).order_by_desc(Column::Id).limit(limit);
        if let Some(Cursor { updated_at, id }) = cursor {
            let same_time = Column::UpdatedAt.eq(updated_at).and(Column::Id.lt(id));
            query = query.filter(Column::UpdatedAt.lt(updated_at).or(same_time));
        }
        query.all(&self.read).await
    }

    pub async fn conversation(&self, id: Uuid) -> Result<Option<Conversation>, DbErr> {
        Entity::find_by_id(id).one(&self.read).await
    }

    pub(super) async fn conversations_by_id(&self, ids: Vec<Uuid>) -> Result<Vec<Conversation>, DbErr> {
        Entity::find().filter(Column::Id.is_in(ids)).all(&self.read).await
    }

    /// Conversations whose title contains `text`, newest first.
    pub(super) async fn conversations_titled(&self, text: &str, limit: u64) -> Result<Vec<Conversation>, DbErr> {
        let title = sea_orm::sea_query::Func::lower(Expr::col(Column::Title));
        let pattern = format!("%{}%", text.to_lowercase().replace(['\\', '%', '_'], "_"));
        Entity::find()
            .filter(Expr::expr(title).like(pattern))
            .order_by_desc(Column::UpdatedAt)
            .limit(limit)
            .all(&self.read)
            .await
    }

    pub async fn create_conversation(&self, conversation: Conversation) -> Result<Conversation, DbErr> {
        conversation.into_active_model().insert(&self.write).await
    }

    /// Replace every field but the id.
    pub async fn update_conversation(&self, conversation: Conversation) -> Result<Conversation, DbErr> {
        conversation.into_active_model().reset_all().update(&self.write).await
    }

    /// Delete it with its messages, runs and journals. `false` when it was not there.
    pub async fn delete_conversation(&self, id: Uuid) -> Result<bool, DbErr> {
        Ok(Entity::delete_by_id(id).exec(&self.write).await?.rows_affected > 0)
    }
}

/// Move `id` to the top of the list and show the branch that ends at `head`.
pub(super) async fn touch(
    database: &impl ConnectionTrait,
    id: Uuid,
    head: Uuid,
    title: Option<String>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let mut change = ActiveModel { id: Set(id), head_id: Set(Some(head)), updated_at: Set(now), ..Default::default() };
    if let Some(title) = title {
        change.title = Set(title);
    }
    change.update(database).await.map(drop)
}
