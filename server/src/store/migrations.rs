//! The tables, in the order in which they came to be. A released migration is never edited: add the next one.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, prelude::Uuid};
use sea_orm_migration::{prelude::*, schema::*};

use super::conversation;

pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Conversations),
            Box::new(StopRequests),
            Box::new(FoldedTitles),
            Box::new(Adoptions),
            Box::new(Jobs),
            Box::new(Followers),
        ]
    }
}

/// Conversations, messages, runs, their journal, and full-text search over messages.
struct Conversations;

impl MigrationName for Conversations {
    fn name(&self) -> &str {
        "m0001_conversations"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Conversations {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conversations = Table::create()
            .table("conversations")
            .col(pk_uuid("id"))
            .col(text("title"))
            .col(text_null("model"))
            .col(text_null("system_prompt"))
            .col(json_binary_null("parameters"))
            .col(uuid_null("head_id"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .to_owned();
        manager.create_table(conversations).await?;
        let recent = Index::create().name("conversations_recent").table("conversations").col("updated_at").to_owned();
        manager.create_index(recent).await?;

        let messages = Table::create()
            .table("messages")
            // A number of its own, because SQLite's search index refers to rows by an integer that must stay.
            .col(big_pk_auto("position"))
            .col(uuid_uniq("id"))
            .col(uuid("conversation_id"))
            .col(uuid_null("parent_id"))
            .col(text("role"))
            .col(text("content"))
            .col(text("status"))
            .col(json_binary_null("error"))
            .col(text_null("model"))
            .col(uuid_null("run_id"))
            .col(json_binary_null("details"))
            .col(timestamp_with_time_zone("created_at"))
            .foreign_key(&mut cascade("messages", "conversation_id", "conversations"))
            .to_owned();
        manager.create_table(messages).await?;
        let of_conversation =
            Index::create().name("messages_of_conversation").table("messages").col("conversation_id").to_owned();
        manager.create_index(of_conversation).await?;

        let runs = Table::create()
            .table("runs")
            .col(pk_uuid("id"))
            .col(uuid("conversation_id"))
            .col(uuid("message_id"))
            .col(text("status"))
            .col(uuid("owner"))
            .col(timestamp_with_time_zone("lease_until"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("finished_at"))
            .foreign_key(&mut cascade("runs", "conversation_id", "conversations"))
            .to_owned();
        manager.create_table(runs).await?;
        let by_status = Index::create().name("runs_by_status").table("runs").col("status").to_owned();
        manager.create_index(by_status).await?;

        let run_events = Table::create()
            .table("run_events")
            .col(uuid("run_id"))
            .col(big_integer("first_seq"))
            .col(big_integer("last_seq"))
            .col(json_binary("events"))
            .primary_key(Index::create().col("run_id").col("first_seq"))
            .foreign_key(&mut cascade("run_events", "run_id", "runs"))
            .to_owned();
        manager.create_table(run_events).await?;

        let search = match manager.get_database_backend() {
            sea_orm::DbBackend::Sqlite => SQLITE_SEARCH,
            _ => POSTGRES_SEARCH,
        };
        manager.get_connection().execute_unprepared(search).await?;
        Ok(())
    }
}

/// Stop reaches a run on whichever server writes it.
struct StopRequests;

impl MigrationName for StopRequests {
    fn name(&self) -> &str {
        "m0002_stop_requests"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for StopRequests {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = boolean("stop_requested").default(false).to_owned();
        manager.alter_table(Table::alter().table("runs").add_column(column).to_owned()).await
    }
}

/// Titles in lower case, for the search: SQLite's `lower` knows ASCII only, and PostgreSQL's what its locale knows.
struct FoldedTitles;

impl MigrationName for FoldedTitles {
    fn name(&self) -> &str {
        "m0003_folded_titles"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for FoldedTitles {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = text("title_folded").default("").to_owned();
        manager.alter_table(Table::alter().table("conversations").add_column(column).to_owned()).await?;
        let database = manager.get_connection();
        let titles = conversation::Entity::find().select_only().columns([conversation::Column::Id]);
        let titles = titles.column(conversation::Column::Title).into_tuple::<(Uuid, String)>().all(database).await?;
        for (id, title) in titles {
            conversation::Entity::update_many()
                .col_expr(conversation::Column::TitleFolded, Expr::value(conversation::folded(&title)))
                .filter(conversation::Column::Id.eq(id))
                .exec(database)
                .await?;
        }
        Ok(())
    }
}

/// A run can be taken over by another server, which has to know how it was asked.
struct Adoptions;

impl MigrationName for Adoptions {
    fn name(&self) -> &str {
        "m0004_adoptions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Adoptions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            json_binary_null("settings"),
            integer("adoptions").default(0).take(),
            big_integer("adopted_at").default(0).take(),
        ];
        // SQLite adds one column at a time.
        for column in columns {
            manager.alter_table(Table::alter().table("runs").add_column(column).to_owned()).await?;
        }
        Ok(())
    }
}

/// Downloads of models.
struct Jobs;

impl MigrationName for Jobs {
    fn name(&self) -> &str {
        "m0005_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Jobs {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let jobs = Table::create()
            .table("jobs")
            .col(pk_uuid("id"))
            .col(text("model"))
            .col(text("status"))
            .col(text("stage"))
            .col(text_null("digest"))
            .col(big_integer("done_bytes"))
            .col(big_integer_null("total_bytes"))
            .col(text_null("error"))
            .col(uuid("owner"))
            .col(timestamp_with_time_zone("lease_until"))
            .col(boolean("cancel_requested"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("finished_at"))
            .to_owned();
        manager.create_table(jobs).await?;
        let by_status = Index::create().name("jobs_by_status").table("jobs").col("status").to_owned();
        manager.create_index(by_status).await
    }
}

/// A run ends when nobody follows it any more, on whichever server.
struct Followers;

impl MigrationName for Followers {
    fn name(&self) -> &str {
        "m0006_followers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Followers {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = timestamp_with_time_zone_null("followed_at");
        manager.alter_table(Table::alter().table("runs").add_column(column).to_owned()).await
    }
}

fn cascade(table: &'static str, column: &'static str, parent: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, column).to(parent, "id").on_delete(ForeignKeyAction::Cascade).to_owned()
}

/// An FTS5 index over the table itself, so no text is kept twice; <https://sqlite.org/fts5.html> section 4.4.3.
const SQLITE_SEARCH: &str = "
CREATE VIRTUAL TABLE message_search USING fts5(content, content='messages', content_rowid='position');
CREATE TRIGGER messages_search_insert AFTER INSERT ON messages BEGIN
    INSERT INTO message_search(rowid, content) VALUES (new.position, new.content);
END;
CREATE TRIGGER messages_search_delete AFTER DELETE ON messages BEGIN
    INSERT INTO message_search(message_search, rowid, content) VALUES ('delete', old.position, old.content);
END;
CREATE TRIGGER messages_search_update AFTER UPDATE OF content ON messages BEGIN
    INSERT INTO message_search(message_search, rowid, content) VALUES ('delete', old.position, old.content);
    INSERT INTO message_search(rowid, content) VALUES (new.position, new.content);
END;
";

/// The `simple` configuration: it stems nothing, so it is right in every language.
const POSTGRES_SEARCH: &str = "
ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED;
CREATE INDEX messages_search ON messages USING gin(search);
";
