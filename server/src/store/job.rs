//! Jobs: downloads that go on without anybody watching. Like a run, a job has an owner whose lease says that it is alive.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::NotSet, Condition, IntoActiveModel, QueryOrder, QuerySelect, UpdateMany, entity::prelude::*,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Store;

pub type Job = Model;

/// The download of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DeriveEntityModel, ToSchema)]
#[sea_orm(table_name = "jobs")]
#[schema(as = Job)]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Its full name.
    pub model: String,
    pub status: JobStatus,
    /// What is being done while it runs.
    pub stage: Stage,
    /// Digest of the file, once the registry has told.
    pub digest: Option<String>,
    pub done_bytes: i64,
    pub total_bytes: Option<i64>,
    /// Why it failed, for people.
    pub error: Option<String>,
    /// The server process that does it.
    #[serde(skip)]
    pub owner: Uuid,
    /// When others may take the owner for dead.
    #[serde(skip)]
    pub lease_until: DateTime<Utc>,
    /// Another server was asked to cancel it; the owner looks here now and then.
    #[serde(skip)]
    pub cancel_requested: bool,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum, ToSchema)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    Running,
    Complete,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum, ToSchema)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Others come first.
    Waiting,
    /// The registry is asked for the file.
    Resolving,
    Downloading,
    /// The digest of the whole file is computed, and its header read.
    Verifying,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Jobs that a list shows.
const MAX_LISTED: u64 = 100;

impl Store {
    /// Newest first.
    pub async fn jobs(&self) -> Result<Vec<Job>, DbErr> {
        Entity::find().order_by_desc(Column::Id).limit(MAX_LISTED).all(&self.read).await
    }

    pub async fn job(&self, id: Uuid) -> Result<Option<Job>, DbErr> {
        Entity::find_by_id(id).one(&self.read).await
    }

    pub async fn running_job(&self, model: &str) -> Result<Option<Job>, DbErr> {
        Entity::find().filter(Column::Model.eq(model)).filter(is_running()).one(&self.read).await
    }

    pub async fn create_job(&self, job: Job) -> Result<(), DbErr> {
        job.into_active_model().insert(&self.write).await.map(drop)
    }

    /// Keep how far a running job is, its lease with it. `false` when its owner shall end it: somebody has cancelled it, or
    /// another server has taken it over.
    pub async fn keep_job(&self, job: &Job) -> Result<bool, DbErr> {
        let kept = update(job).filter(Column::CancelRequested.eq(false)).exec(&self.write).await?;
        Ok(kept.rows_affected > 0)
    }

    /// Keep how a job ended; one that somebody else has ended or taken over stays as it is.
    pub async fn finish_job(&self, job: &Job) -> Result<(), DbErr> {
        update(job).exec(&self.write).await.map(drop)
    }

    /// Ask the owner of a running job to cancel it, and give up one that failed.
    pub async fn cancel_job(&self, id: Uuid) -> Result<(), DbErr> {
        Entity::update_many()
            .col_expr(Column::CancelRequested, Expr::value(true))
            .filter(Column::Id.eq(id))
            .filter(is_running())
            .exec(&self.write)
            .await?;
        Entity::update_many()
            .col_expr(Column::Status, Expr::value(JobStatus::Cancelled))
            .filter(Column::Id.eq(id))
            .filter(Column::Status.eq(JobStatus::Failed))
            .exec(&self.write)
            .await
            .map(drop)
    }

    /// Running jobs that nobody does: their lease ended before `now`, or where this server is the only one, they belong to
    /// another. `live` are those that `owner` does, however old their leases are.
    pub async fn abandoned_jobs(&self, owner: Uuid, live: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Job>, DbErr> {
        let mut abandoned = Condition::any().add(Column::LeaseUntil.lt(now));
        if self.is_sole_owner() {
            abandoned = abandoned.add(Column::Owner.ne(owner));
        }
        let live = live.iter().copied();
        Entity::find().filter(is_running()).filter(Column::Id.is_not_in(live)).filter(abandoned).all(&self.read).await
    }

    /// Take an abandoned job over. `false` when another server was quicker.
    pub async fn adopt_job(&self, job: &Job, owner: Uuid, lease_until: DateTime<Utc>) -> Result<bool, DbErr> {
        let adopted = Entity::update_many()
            .col_expr(Column::Owner, Expr::value(owner))
            .col_expr(Column::LeaseUntil, Expr::value(lease_until))
            .filter(Column::Id.eq(job.id))
            .filter(is_running())
            .filter(Column::Owner.eq(job.owner))
            .filter(Column::LeaseUntil.eq(job.lease_until))
            .exec(&self.write)
            .await?;
        Ok(adopted.rows_affected > 0)
    }

    /// Forget jobs that ended before `before`.
    pub async fn prune_jobs(&self, before: DateTime<Utc>) -> Result<(), DbErr> {
        Entity::delete_many().filter(Column::FinishedAt.lt(before)).exec(&self.write).await.map(drop)
    }
}

fn update(job: &Job) -> UpdateMany<Entity> {
    let columns = ActiveModel { id: NotSet, ..job.clone().into_active_model().reset_all() };
    Entity::update_many()
        .set(columns)
        .filter(Column::Id.eq(job.id))
        .filter(is_running())
        .filter(Column::Owner.eq(job.owner))
}

fn is_running() -> Expr {
    Column::Status.eq(JobStatus::Running)
}
