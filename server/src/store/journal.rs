//! The journal: what a run has said so far, in batches, so that any server can replay it.
//!
//! A row holds the events `first_seq..=last_seq` as one JSON array. Deltas only: the end of a run is its message.

use chrono::{DateTime, Utc};
use sea_orm::{
    FromJsonQueryResult, QueryOrder, QuerySelect, QueryTrait,
    entity::prelude::*,
    sea_query::{LockType, OnConflict, Query},
};
use serde::{Deserialize, Serialize};

use super::{Run, Store, run};
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
pub struct Batch(Vec<Entry>);

/// An event, and what only servers need of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(flatten)]
    pub event: RunEvent,
    /// The tokens of a delta, where the engine tells them: another server goes on behind them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<i32>,
}

impl From<RunEvent> for Entry {
    fn from(event: RunEvent) -> Self {
        Self { event, tokens: Vec::new() }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Store {
    /// Add events to a run's journal; the first of them has the number `first_seq`. Harmless to repeat after a reply that
    /// was lost: the same row is written again, with what has been added to the batch since. `false` when the run has
    /// another owner by now, or is gone; then nothing is written.
    pub async fn append_events(&self, run: &Run, first_seq: u64, entries: Vec<Entry>) -> Result<bool, DbErr> {
        let last_seq = first_seq + entries.len() as u64 - 1;
        // The lock on the run's row makes an append and a change of the owner wait for each other: whoever takes the run
        // over reads every batch that was kept, and none is kept after that.
        let row = Query::select()
            .expr(Expr::value(run.id))
            .expr(Expr::value(first_seq as i64))
            .expr(Expr::value(last_seq as i64))
            .expr(Expr::value(Batch(entries)))
            .from(run::Entity)
            .and_where(run::Column::Id.eq(run.id))
            .and_where(run::Column::Owner.eq(run.owner))
            .lock(LockType::Share)
            .to_owned();
        let again = OnConflict::columns([Column::RunId, Column::FirstSeq])
            .update_columns([Column::LastSeq, Column::Events])
            .to_owned();
        let mut insert = Query::insert();
        insert.into_table(Entity).columns([Column::RunId, Column::FirstSeq, Column::LastSeq, Column::Events]);
        insert.select_from(row).map_err(|error| DbErr::Custom(error.to_string()))?.on_conflict(again);
        Ok(self.write.execute(&insert).await?.rows_affected() > 0)
    }

    /// The events with a number above `after`, each with its number, in order.
    pub async fn events(&self, run_id: Uuid, after: u64) -> Result<Vec<(u64, RunEvent)>, DbErr> {
        let entries = self.batches(run_id, after).await?.into_iter().flat_map(numbered);
        Ok(entries.filter(|(seq, _)| *seq > after).map(|(seq, entry)| (seq, entry.event)).collect())
    }

    /// All events of a run with what servers need of them, each with its number, in order.
    pub async fn journal(&self, run_id: Uuid) -> Result<Vec<(u64, Entry)>, DbErr> {
        Ok(self.batches(run_id, 0).await?.into_iter().flat_map(numbered).collect())
    }

    /// The number of the last event in a run's journal.
    pub async fn journal_length(&self, run_id: Uuid) -> Result<i64, DbErr> {
        let last = Entity::find().select_only().column(Column::LastSeq).filter(Column::RunId.eq(run_id));
        let last = last.order_by_desc(Column::FirstSeq).into_tuple().one(&self.read).await?;
        Ok(last.unwrap_or(0))
    }

    async fn batches(&self, run_id: Uuid, after: u64) -> Result<Vec<Model>, DbErr> {
        Entity::find()
            .filter(Column::RunId.eq(run_id))
            .filter(Column::LastSeq.gt(after as i64))
            .order_by_asc(Column::FirstSeq)
            .all(&self.read)
            .await
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

fn numbered(row: Model) -> impl Iterator<Item = (u64, Entry)> {
    (row.first_seq as u64..).zip(row.events.0)
}
