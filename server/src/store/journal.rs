//! The journal: what a run has said so far, in batches, so that any server can replay it.
//!
//! A row holds the events `first_seq..=last_seq` as one JSON array. Deltas only: the end of a run is its message.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, FromJsonQueryResult, QueryOrder, QuerySelect, QueryTrait, entity::prelude::*,
    sea_query::OnConflict,
};
use serde::{Deserialize, Serialize};

use super::{Store, run};
use crate::chat::run::RunEvent;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub first_seq: i64,
    pub last_seq: i64,
    pub events: Batch,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Batch(Vec<RunEvent>);

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Store {
    /// Add events to a run's journal; the first of them has the number `first_seq`. Harmless to repeat after a reply that
    /// was lost: the same row is written again, with what has been added to the batch since.
    pub async fn append_events(&self, run_id: Uuid, first_seq: u64, events: Vec<RunEvent>) -> Result<(), DbErr> {
        let last_seq = first_seq + events.len() as u64 - 1;
        let row = ActiveModel {
            run_id: Set(run_id),
            first_seq: Set(first_seq as i64),
            last_seq: Set(last_seq as i64),
            events: Set(Batch(events)),
        };
        let again = OnConflict::columns([Column::RunId, Column::FirstSeq])
            .update_columns([Column::LastSeq, Column::Events])
            .to_owned();
        Entity::insert(row).on_conflict(again).exec_without_returning(&self.write).await.map(drop)
    }

    /// The events with a number above `after`, each with its number, in order.
    pub async fn events(&self, run_id: Uuid, after: u64) -> Result<Vec<(u64, RunEvent)>, DbErr> {
        let rows = Entity::find()
            .filter(Column::RunId.eq(run_id))
            .filter(Column::LastSeq.gt(after as i64))
            .order_by_asc(Column::FirstSeq)
            .all(&self.read)
            .await?;
        let numbered = rows.into_iter().flat_map(|row| (row.first_seq as u64..).zip(row.events.0));
        Ok(numbered.filter(|(seq, _)| *seq > after).collect())
    }

    /// Forget the journals of runs that ended before `before`: their messages hold the text.
    pub async fn prune_journals(&self, before: DateTime<Utc>) -> Result<u64, DbErr> {
        let ended = run::Entity::find()
            .select_only()
            .column(run::Column::Id)
            .filter(run::Column::FinishedAt.lt(before))
            .into_query();
        Ok(Entity::delete_many().filter(Column::RunId.in_subquery(ended)).exec(&self.write).await?.rows_affected)
    }
}
