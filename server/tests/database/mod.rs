//! The database of a test.

use flotilla::config::Secret;
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use uuid::Uuid;

/// An empty database: a file in `folder`, or a schema of the PostgreSQL that the suite runs on.
pub async fn database_url(folder: &TempDir) -> Secret {
    let Ok(postgres) = std::env::var("TEST_POSTGRES_URL") else {
        return Secret::new(format!("sqlite://{}", folder.path().join("test.sqlite").display()));
    };
    let schema = format!("test_{}", Uuid::now_v7().simple());
    let database = Database::connect(&postgres).await.unwrap();
    database.execute_unprepared(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    let separator = if postgres.contains('?') { '&' } else { '?' };
    Secret::new(format!("{postgres}{separator}options=-csearch_path%3D{schema}"))
}
