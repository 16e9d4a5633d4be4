//! Runs: one for each answer being written, with an owner whose lease says that it is still alive.

use chrono::{DateTime, Utc};
use sea_orm::{Condition, FromJsonQueryResult, IntoActiveModel, TransactionTrait, entity::prelude::*};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Store, conversation,
    message::{self, Details, Message, MessageError, Status},
};
use crate::chat::Parameters;

pub type Run = Model;

#[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel, ToSchema)]
#[sea_orm(table_name = "runs")]
#[schema(as = Run)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub conversation_id: Uuid,
    /// The answer that it writes.
    pub message_id: Uuid,
    pub status: Status,
    /// The server process that writes it.
    #[serde(skip)]
    pub owner: Uuid,
    /// When others may take the owner for dead.
    #[serde(skip)]
    pub lease_until: DateTime<Utc>,
    /// Another server was asked to stop it; the owner looks here now and then.
    #[serde(skip)]
    pub stop_requested: bool,
    /// How it was asked; kept until it ends. `None` in runs of an older version, which nobody can go on with.
    #[serde(skip)]
    pub settings: Option<Settings>,
    /// How often it was taken over since its journal last grew.
    #[serde(skip)]
    pub adoptions: i32,
    /// The number of the last event that was in its journal when it was taken over last, or of the one that told of it.
    #[serde(skip)]
    pub adopted_at: i64,
    /// When somebody last followed it on a server that does not write it.
    #[serde(skip)]
    pub followed_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// How the conversation asked when the run began; the user may change it while the answer is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Settings {
    pub system_prompt: Option<String>,
    pub parameters: Parameters,
}

/// Everything that one turn writes before the engine is asked.
#[derive(Clone, Debug)]
pub struct NewTurn {
    /// The user's message when it is new; `None` when an existing one is answered again.
    pub user: Option<Message>,
    /// The placeholder of the answer.
    pub assistant: Message,
    pub run: Run,
    /// A title for the conversation when it has none.
    pub title: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: Status,
    pub content: String,
    pub error: Option<MessageError>,
    pub model: Option<String>,
    pub details: Option<Details>,
}

impl Store {
    /// Keep a turn, whole or not at all.
    pub async fn begin_turn(&self, turn: NewTurn) -> Result<(), DbErr> {
        let transaction = self.write.begin().await?;
        if let Some(user) = turn.user {
            user.into_active_model().insert(&transaction).await?;
        }
        let (head, now) = (turn.assistant.id, turn.assistant.created_at);
        conversation::touch(&transaction, turn.assistant.conversation_id, head, turn.title, now).await?;
        turn.assistant.into_active_model().insert(&transaction).await?;
        turn.run.into_active_model().insert(&transaction).await?;
        transaction.commit().await
    }

    pub async fn run(&self, id: Uuid) -> Result<Option<Run>, DbErr> {
        Entity::find_by_id(id).one(&self.read).await
    }

    /// Write the end of an answer. `false` when the run had ended already, has another owner, or its conversation is gone.
    pub async fn finish_run(&self, run: &Run, outcome: Outcome, now: DateTime<Utc>) -> Result<bool, DbErr> {
        let transaction = self.write.begin().await?;
        // First the message, then the run, in the order in which the deletion of a conversation locks them.
        message::Entity::update_many()
            .col_expr(message::Column::Status, Expr::value(outcome.status))
            .col_expr(message::Column::Content, Expr::value(outcome.content))
            .col_expr(message::Column::Error, Expr::value(outcome.error))
            .col_expr(message::Column::Model, Expr::value(outcome.model))
            .col_expr(message::Column::Details, Expr::value(outcome.details))
            .filter(message::Column::Id.eq(run.message_id))
            .exec(&transaction)
            .await?;
        // The guards let exactly one of several servers end a run: its owner, once.
        let ended = Entity::update_many()
            .col_expr(Column::Status, Expr::value(outcome.status))
            .col_expr(Column::FinishedAt, Expr::value(now))
            .col_expr(Column::Settings, Expr::value(None::<Settings>))
            .filter(Column::Id.eq(run.id))
            .filter(Column::Owner.eq(run.owner))
            .filter(Column::Status.eq(Status::Streaming))
            .exec(&transaction)
            .await?;
        if ended.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Ask the owner of a run to stop it. `false` when it has ended already, or there is no such run.
    pub async fn request_stop(&self, id: Uuid) -> Result<bool, DbErr> {
        let asked = Entity::update_many()
            .col_expr(Column::StopRequested, Expr::value(true))
            .filter(Column::Id.eq(id))
            .filter(Column::Status.eq(Status::Streaming))
            .exec(&self.write)
            .await?;
        Ok(asked.rows_affected > 0)
    }

    /// Say that somebody follows a run, to the server that writes it.
    pub async fn note_follower(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(Column::FollowedAt, Expr::value(now))
            .filter(Column::Id.eq(id))
            .filter(Column::Status.eq(Status::Streaming))
            .exec(&self.write)
            .await
            .map(drop)
    }

    /// Say that `owner` is alive and still writes the runs `live`.
    pub async fn renew_leases(&self, owner: Uuid, live: &[Uuid], until: DateTime<Utc>) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(Column::LeaseUntil, Expr::value(until))
            .filter(Column::Id.is_in(live.iter().copied()))
            .filter(Column::Owner.eq(owner))
            .filter(Column::Status.eq(Status::Streaming))
            .exec(&self.write)
            .await
            .map(drop)
    }

    /// Unfinished runs that nobody writes. `live` are the runs that `owner` does write, however old their leases are.
    pub async fn abandoned_runs(&self, owner: Uuid, live: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Run>, DbErr> {
        Entity::find()
            .filter(self.is_abandoned(owner, now))
            .filter(Column::Id.is_not_in(live.iter().copied()))
            .all(&self.read)
            .await
    }

    /// Unfinished, with a lease that ended before `now`, or where this server is the only one, of any other owner.
    fn is_abandoned(&self, owner: Uuid, now: DateTime<Utc>) -> Condition {
        let mut nobodys = Condition::any().add(Column::LeaseUntil.lt(now));
        if self.is_sole_owner() {
            nobodys = nobodys.add(Column::Owner.ne(owner));
        }
        Condition::all().add(Column::Status.eq(Status::Streaming)).add(nobodys)
    }

    /// Take over an abandoned run whose journal holds `events` events, and has grown once it holds more than `adopted_at`.
    /// `None` when its owner turned out to be alive or another server was first.
    pub async fn claim_run(
        &self,
        run: Run,
        events: i64,
        adopted_at: i64,
        owner: Uuid,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
    ) -> Result<Option<Run>, DbErr> {
        let adoptions = if events > run.adopted_at { 1 } else { run.adoptions + 1 };
        let claimed = Entity::update_many()
            .col_expr(Column::Owner, Expr::value(owner))
            .col_expr(Column::LeaseUntil, Expr::value(lease_until))
            .col_expr(Column::Adoptions, Expr::value(adoptions))
            .col_expr(Column::AdoptedAt, Expr::value(adopted_at))
            .filter(Column::Id.eq(run.id))
            .filter(Column::Owner.eq(run.owner))
            .filter(self.is_abandoned(owner, now))
            .exec(&self.write)
            .await?;
        let run = Run { owner, lease_until, adoptions, adopted_at, ..run };
        Ok((claimed.rows_affected > 0).then_some(run))
    }

    /// Give a run up, so that another server can take it over at once.
    pub async fn release_run(&self, run: &Run, now: DateTime<Utc>) -> Result<(), DbErr> {
        Entity::update_many()
            // Nobody's: a renewal that is under way must not take it back.
            .col_expr(Column::Owner, Expr::value(Uuid::nil()))
            .col_expr(Column::LeaseUntil, Expr::value(now))
            .filter(Column::Id.eq(run.id))
            .filter(Column::Owner.eq(run.owner))
            .filter(Column::Status.eq(Status::Streaming))
            .exec(&self.write)
            .await
            .map(drop)
    }

    /// Unfinished runs of a conversation, whoever writes them.
    pub async fn streaming_runs(&self, conversation_id: Uuid) -> Result<Vec<Run>, DbErr> {
        Entity::find()
            .filter(Column::ConversationId.eq(conversation_id))
            .filter(Column::Status.eq(Status::Streaming))
            .all(&self.read)
            .await
    }
}
