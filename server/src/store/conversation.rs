//! Conversations: a title, how the model is asked, and which branch was shown last.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::{NotSet, Set, Unchanged},
    Condition, ExprTrait, IntoActiveModel, QueryOrder, QuerySelect,
    entity::prelude::*,
};
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
    /// The title in lower case, for the search; every change of the title sets it too.
    #[serde(skip)]
    pub title_folded: String,
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

#[async_trait::async_trait]
impl ActiveModelBehavior for ActiveModel {
    async fn before_save<C: ConnectionTrait>(mut self, _: &C, _insert: bool) -> Result<Self, DbErr> {
        if let Set(title) | Unchanged(title) = &self.title {
            self.title_folded = Set(folded(title));
        }
        Ok(self)
    }
}

/// What the search compares titles by.
pub(super) fn folded(title: &str) -> String {
    title.to_lowercase()
}

/// What to change of a conversation. `None` leaves a field as it is, whatever others write to it meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub title: Option<String>,
    pub model: Option<Option<String>>,
    pub system_prompt: Option<Option<String>>,
    pub parameters: Option<Option<Parameters>>,
    pub head_id: Option<Uuid>,
}

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

    /// Conversations whose title contains every one of `words`, which are letters and digits only, newest first.
    pub(super) async fn conversations_titled(&self, words: &[&str], limit: u64) -> Result<Vec<Conversation>, DbErr> {
        let every_word =
            words.iter().fold(Condition::all(), |all, word| all.add(Column::TitleFolded.contains(folded(word))));
        Entity::find().filter(every_word).order_by_desc(Column::UpdatedAt).limit(limit).all(&self.read).await
    }

    pub async fn create_conversation(&self, conversation: Conversation) -> Result<Conversation, DbErr> {
        conversation.into_active_model().insert(&self.write).await
    }

    /// Change what `change` names and nothing else. Fails with [`DbErr::RecordNotUpdated`] when it is not there.
    pub async fn update_conversation(&self, id: Uuid, change: Change) -> Result<Conversation, DbErr> {
        let Change { title, model, system_prompt, parameters, head_id } = change;
        let change = ActiveModel {
            id: Set(id),
            title: title.map_or(NotSet, Set),
            model: model.map_or(NotSet, Set),
            system_prompt: system_prompt.map_or(NotSet, Set),
            parameters: parameters.map_or(NotSet, Set),
            head_id: head_id.map_or(NotSet, |head_id| Set(Some(head_id))),
            ..Default::default()
        };
        change.update(&self.write).await
    }

    /// Delete it with its messages, runs and journals. `false` when it was not there.
    pub async fn delete_conversation(&self, id: Uuid) -> Result<bool, DbErr> {
        Ok(Entity::delete_by_id(id).exec(&self.write).await?.rows_affected > 0)
    }
}

/// Move `id` to the top of the list and show the branch that ends at `head`. `title` becomes its title if it has none.
pub(super) async fn touch(
    database: &impl ConnectionTrait,
    id: Uuid,
    head: Uuid,
    title: Option<String>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let change = ActiveModel { id: Set(id), head_id: Set(Some(head)), updated_at: Set(now), ..Default::default() };
    change.update(database).await?;
    let Some(title) = title else { return Ok(()) };
    // The user may have given it a title since it was read.
    Entity::update_many()
        .col_expr(Column::TitleFolded, Expr::value(folded(&title)))
        .col_expr(Column::Title, Expr::value(title))
        .filter(Column::Id.eq(id))
        .filter(Column::Title.eq(""))
        .exec(database)
        .await
        .map(drop)
}
