//! The cluster's events, kept in SQLite: the API forgets them after an hour.

use std::{path::Path, time::Duration};

use anyhow::Context;
use k8s_openapi::api::core::v1::Event;
use serde::Serialize;
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use ts_rs::TS;

use crate::pods::milliseconds;

/// What happened to an object, as often as it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct ClusterEvent {
    pub uid: String,
    /// When it happened last, in milliseconds since 1970.
    #[ts(type = "number")]
    pub at: i64,
    #[serde(rename = "type")]
    pub kind: EventType,
    pub reason: String,
    pub message: String,
    /// `Pod/backend-1`.
    pub object: String,
    pub count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
pub enum EventType {
    Normal,
    Warning,
}

impl From<&Event> for ClusterEvent {
    fn from(event: &Event) -> Self {
        let series = event.series.as_ref();
        // Two APIs write the same object: the old one counts in `count`, events.k8s.io in `series`.
        let count = series.and_then(|series| series.count).or(event.count).unwrap_or(1);
        let last = event.last_timestamp.as_ref().map(milliseconds);
        let at = series
            .and_then(|series| series.last_observed_time.as_ref())
            .map(|time| time.0.as_millisecond())
            .or(last)
            .or_else(|| event.event_time.as_ref().map(|time| time.0.as_millisecond()))
            .or_else(|| event.first_timestamp.as_ref().map(milliseconds))
            .or_else(|| event.metadata.creation_timestamp.as_ref().map(milliseconds));
        let object = &event.involved_object;
        let name = |part: &Option<String>| part.clone().unwrap_or_default();
        Self {
            uid: name(&event.metadata.uid),
            at: at.unwrap_or_default(),
            kind: if event.type_.as_deref() == Some("Warning") { EventType::Warning } else { EventType::Normal },
            reason: name(&event.reason),
            message: name(&event.message).trim().to_owned(),
            object: format!("{}/{}", name(&object.kind), name(&object.name)),
            count: count.max(1).unsigned_abs(),
        }
    }
}

/// The events of one namespace of one cluster. Several share the file.
#[derive(Clone)]
pub struct EventStore {
    pool: SqlitePool,
    /// Which cluster and namespace, in the rows.
    scope: String,
    /// How many rows are kept of this scope.
    capacity: u32,
}

const CAPACITY: u32 = 10_000;
const FILE: &str = "cluster-events.sqlite";

impl EventStore {
    /// Open the store in `folder`, which is made if it is not there. A file that is no database is put aside.
    pub async fn open(folder: &Path, scope: &str) -> anyhow::Result<Self> {
        Self::with_capacity(folder, scope, CAPACITY).await
    }

    async fn with_capacity(folder: &Path, scope: &str, capacity: u32) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        let file = folder.join(FILE);
        let pool = match connect(&file).await {
            Ok(pool) => pool,
            Err(error) if is_no_database(&error) => {
                let aside = file.with_extension("broken");
                tracing::warn!(%error, file = %file.display(), aside = %aside.display(), "the events file is broken");
                std::fs::rename(&file, &aside)
                    .with_context(|| format!("{} is broken and cannot be put aside", file.display()))?;
                connect(&file).await?
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be opened", file.display())),
        };
        Ok(Self { pool, scope: scope.to_owned(), capacity })
    }

    /// Keep these events; what comes back is those that were new, or had happened again.
    pub async fn keep(&self, events: Vec<ClusterEvent>) -> anyhow::Result<Vec<ClusterEvent>> {
        let mut transaction = self.pool.begin().await?;
        let mut news = Vec::with_capacity(events.len());
        for event in events {
            let kept = sqlx::query(
                "INSERT INTO events (scope, uid, at, warning, reason, message, object, count)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (scope, uid) DO UPDATE SET at = excluded.at, message = excluded.message, count = excluded.count
                 WHERE excluded.count > events.count OR excluded.at > events.at",
            )
            .bind(&self.scope)
            .bind(&event.uid)
            .bind(event.at)
            .bind(event.kind == EventType::Warning)
            .bind(&event.reason)
            .bind(&event.message)
            .bind(&event.object)
            .bind(event.count)
            .execute(&mut *transaction)
            .await?;
            if kept.rows_affected() > 0 {
                news.push(event);
            }
        }
        if !news.is_empty() {
            sqlx::query(
                "DELETE FROM events WHERE scope = ?1 AND uid IN
                 (SELECT uid FROM events WHERE scope = ?1 ORDER BY at DESC, uid DESC LIMIT -1 OFFSET ?2)",
            )
            .bind(&self.scope)
            .bind(self.capacity)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(news)
    }

    /// The newest events, oldest first.
    pub async fn newest(&self, limit: u32) -> anyhow::Result<Vec<ClusterEvent>> {
        let rows = sqlx::query("SELECT * FROM events WHERE scope = ? ORDER BY at DESC, uid DESC LIMIT ?")
            .bind(&self.scope)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().rev().map(|row| event(row).map_err(anyhow::Error::from)).collect()
    }
}

fn event(row: &SqliteRow) -> sqlx::Result<ClusterEvent> {
    Ok(ClusterEvent {
        uid: row.try_get("uid")?,
        at: row.try_get("at")?,
        kind: if row.try_get("warning")? { EventType::Warning } else { EventType::Normal },
        reason: row.try_get("reason")?,
        message: row.try_get("message")?,
        object: row.try_get("object")?,
        count: row.try_get("count")?,
    })
}

async fn connect(file: &Path) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS events (
            scope TEXT NOT NULL, uid TEXT NOT NULL, at INTEGER NOT NULL, warning INTEGER NOT NULL, reason TEXT NOT NULL,
            message TEXT NOT NULL, object TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (scope, uid)
         ) WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS events_by_time ON events (scope, at);",
    )
    .execute(&pool)
    .await?;
    Ok(pool)
}

fn is_no_database(error: &sqlx::Error) -> bool {
    // SQLITE_CORRUPT and SQLITE_NOTADB.
    matches!(error, sqlx::Error::Database(error) if matches!(error.code().as_deref(), Some("11" | "26")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(uid: &str, at: i64, count: u32) -> ClusterEvent {
        ClusterEvent {
            uid: uid.to_owned(),
            at,
            kind: EventType::Warning,
            reason: "BackOff".to_owned(),
            message: "Back-off restarting failed container".to_owned(),
            object: "Pod/backend-1".to_owned(),
            count,
        }
    }

    fn uids(events: &[ClusterEvent]) -> Vec<&str> {
        events.iter().map(|event| event.uid.as_str()).collect()
    }

    #[tokio::test]
    async fn events_outlive_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let store = EventStore::open(folder.path(), "k3d/flotilla").await.unwrap();
        store.keep(vec![event("b", 2, 1), event("a", 1, 1)]).await.unwrap();
        drop(store);
        let store = EventStore::open(folder.path(), "k3d/flotilla").await.unwrap();
        assert_eq!(store.newest(10).await.unwrap(), [event("a", 1, 1), event("b", 2, 1)]);
    }

    #[tokio::test]
    async fn the_same_event_again_is_one_row_and_no_news_unless_it_happened_again() {
        let folder = tempfile::tempdir().unwrap();
        let store = EventStore::open(folder.path(), "k3d/flotilla").await.unwrap();
        assert_eq!(store.keep(vec![event("a", 1, 1)]).await.unwrap().len(), 1);
        assert_eq!(store.keep(vec![event("a", 1, 1)]).await.unwrap(), []);
        assert_eq!(store.keep(vec![event("a", 5, 2)]).await.unwrap(), [event("a", 5, 2)]);
        // A watch that starts over may replay an older state.
        assert_eq!(store.keep(vec![event("a", 1, 1)]).await.unwrap(), []);
        assert_eq!(store.newest(10).await.unwrap(), [event("a", 5, 2)]);
    }

    #[tokio::test]
    async fn the_oldest_events_go_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = EventStore::with_capacity(folder.path(), "k3d/flotilla", 3).await.unwrap();
        store.keep((0..10).map(|at| event(&format!("e{at}"), at, 1)).collect()).await.unwrap();
        assert_eq!(uids(&store.newest(10).await.unwrap()), ["e7", "e8", "e9"]);
    }

    #[tokio::test]
    async fn clusters_do_not_see_each_others_events() {
        let folder = tempfile::tempdir().unwrap();
        let one = EventStore::open(folder.path(), "k3d/flotilla").await.unwrap();
        let other = EventStore::open(folder.path(), "gke/flotilla").await.unwrap();
        one.keep(vec![event("a", 1, 1)]).await.unwrap();
        assert_eq!(other.newest(10).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), vec![b'x'; 8192]).unwrap();
        let store = EventStore::open(folder.path(), "k3d/flotilla").await.unwrap();
        store.keep(vec![event("a", 1, 1)]).await.unwrap();
        assert!(folder.path().join("cluster-events.broken").exists());
    }

    #[test]
    fn both_apis_that_write_events_are_understood() {
        let object = json!({"kind": "Pod", "name": "backend-1"});
        let old: Event = serde_json::from_value(json!({
            "metadata": {"uid": "1"}, "involvedObject": object, "type": "Normal", "reason": "Pulled",
            "message": "Container image already present \n", "count": 3,
            "firstTimestamp": "2025-11-24T20:30:45Z", "lastTimestamp": "2025-11-24T20:30:46Z",
        }))
        .unwrap();
        let old = ClusterEvent::from(&old);
        assert_eq!((old.count, old.at, old.object.as_str()), (3, 1_764_016_246_000, "Pod/backend-1"));
        assert_eq!(old.message, "Container image already present");
        let new: Event = serde_json::from_value(json!({
            "metadata": {"uid": "2"}, "involvedObject": object, "type": "Warning", "reason": "FailedScheduling",
            "eventTime": "2025-11-24T20:30:45.000000Z", "firstTimestamp": null, "lastTimestamp": null,
            "series": {"count": 7, "lastObservedTime": "2025-11-24T20:30:47.500000Z"},
        }))
        .unwrap();
        let new = ClusterEvent::from(&new);
        assert_eq!((new.count, new.at, new.kind), (7, 1_764_016_247_500, EventType::Warning));
    }
}
