//! What is kept: conversations, their messages as a tree, runs, the journal of each run, and jobs.
//!
//! One query code for SQLite and PostgreSQL; only full-text search ([`search`]) speaks each dialect by itself.
//! Ids and times are made by the callers; the store keeps what it is given.

pub mod conversation;
pub mod job;
pub mod journal;
pub mod message;
mod migrations;
pub mod run;
mod search;

use std::{fs::File, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr,
    sqlx::{
        Connection,
        postgres::PgAdvisoryLock,
        sqlite::{SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait;

pub use self::{conversation::Conversation, job::Job, message::Message, run::Run, search::Match};
use crate::config::Secret;

/// Connections that read at the same time.
const READERS: u32 = 4;
/// A request waits this long for a connection before it fails with 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The time in microseconds, which is what databases keep: a finer one would come back as another.
pub fn now() -> DateTime<Utc> {
    let now = Utc::now();
    DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// SQLite takes one writer at a time, so its pool has one connection and nobody ever meets a locked file.
    write: DatabaseConnection,
    read: DatabaseConnection,
    /// Held while an SQLite file is open; `None` on PostgreSQL, which many servers share.
    sole_owner: Option<Arc<File>>,
}

impl Store {
    /// Open the database, create the file if it is a new SQLite one, and bring the tables up to date.
    pub async fn open(url: &Secret) -> anyhow::Result<Self> {
        let store = match url.expose().strip_prefix("sqlite://") {
            Some(path) => Self::open_sqlite(Path::new(path), url).await?,
            None if url.expose().starts_with("postgres") => Self::open_postgres(url).await?,
            None => bail!("DATABASE_URL must begin with sqlite:// or postgres://"),
        };
        store.migrate().await.context("the database could not be brought up to date")?;
        Ok(store)
    }

    /// One server at a time: two that make the same table at once would both fail.
    async fn migrate(&self) -> anyhow::Result<()> {
        if self.is_sole_owner() {
            return Ok(migrations::Migrator::up(&self.write, None).await?);
        }
        let connection = self.write.get_postgres_connection_pool().acquire().await?;
        let lock = PgAdvisoryLock::new("flotilla migrations");
        let turn = lock.acquire(connection).await?;
        migrations::Migrator::up(&self.write, None).await?;
        turn.release_now().await?;
        Ok(())
    }

    async fn open_sqlite(path: &Path, url: &Secret) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
        }
        let lock = path.with_extension("lock");
        let lock = File::create(&lock)
            .with_context(|| format!("{} cannot be written: set DATA_DIR to a folder that can", lock.display()))?;
        if lock.try_lock().is_err() {
            bail!("another Flotilla uses {}: stop it, or set DATA_DIR to another folder", path.display());
        }
        let connect = |connections: u32| {
            let mut options = ConnectOptions::new(url.expose());
            options.max_connections(connections).acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
            options.map_sqlx_sqlite_opts(|options| {
                options
                    .create_if_missing(true)
                    .foreign_keys(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    // With NORMAL the last commits before a power cut may be gone although a client was told otherwise.
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(ACQUIRE_TIMEOUT)
            });
            // When the disk is full SQLite itself rolls a transaction back. sqlx counts it as open still, and later commits
            // on the connection would only end a savepoint: said to be kept, and lost. So it is not used again.
            options.map_sqlx_sqlite_pool_opts(|options| {
                options.after_release(|connection, _| {
                    Box::pin(async move {
                        // Its reply comes after a roll-back that may be under way.
                        connection.ping().await?;
                        Ok(!connection.is_in_transaction())
                    })
                })
            });
            Database::connect(options)
        };
        let write = connect(1).await.with_context(|| format!("{} cannot be opened", path.display()))?;
        let read = connect(READERS).await?;
        Ok(Self { write, read, sole_owner: Some(Arc::new(lock)) })
    }

    async fn open_postgres(url: &Secret) -> anyhow::Result<Self> {
        let mut options = ConnectOptions::new(url.expose());
        options.max_connections(2 * READERS).acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
        let pool = Database::connect(options).await.context("PostgreSQL cannot be reached: check DATABASE_URL")?;
        Ok(Self { write: pool.clone(), read: pool, sole_owner: None })
    }

    /// Whether no other server can write to this database, so every unfinished run in it is this server's own.
    pub fn is_sole_owner(&self) -> bool {
        self.sole_owner.is_some()
    }

    /// Fails when the database cannot be reached.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await
    }

    fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }
}
