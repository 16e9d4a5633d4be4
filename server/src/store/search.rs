//! Full-text search over messages. The one place with SQL by hand, since each database has its own way.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement, prelude::Uuid};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Conversation, Store};

/// A message that a search found.
#[derive(Clone, Debug, PartialEq, Serialize, FromQueryResult, ToSchema)]
pub struct Match {
    #[serde(skip)]
    pub conversation_id: Uuid,
    pub message_id: Uuid,
    /// The words around the hit; U+0002 and U+0003 stand before and after each word that was asked for.
    pub snippet: String,
}

/// Messages looked at before they are grouped by conversation, so that a common word stays cheap.
const MAX_MATCHES: u64 = 300;

impl Store {
    /// Conversations with a message that holds every word of `text` (the last word may be a beginning), or a title that
    /// contains them all; newest first, each with its best message.
    pub async fn search(&self, text: &str, limit: u64) -> Result<Vec<(Conversation, Option<Match>)>, DbErr> {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let mut matches = self.matching_messages(&words).await?;
        let mut conversations = self.conversations_titled(&words, limit).await?;
        let titled: Vec<Uuid> = conversations.iter().map(|conversation| conversation.id).collect();
        let mut others: Vec<Uuid> = matches.iter().map(|found| found.conversation_id).collect();
        others.retain(|id| !titled.contains(id));
        others.sort_unstable();
        others.dedup();
        conversations.extend(self.conversations_by_id(others).await?);
        conversations.sort_by_key(|conversation| std::cmp::Reverse((conversation.updated_at, conversation.id)));
        conversations.truncate(limit as usize);
        let with_match = conversations.into_iter().map(|conversation| {
            // Matches come best first, so the first one of a conversation is its best.
            let best = matches.iter().position(|found| found.conversation_id == conversation.id);
            (conversation, best.map(|index| matches.remove(index)))
        });
        Ok(with_match.collect())
    }

    async fn matching_messages(&self, words: &[&str]) -> Result<Vec<Match>, DbErr> {
        let (sql, query) = match self.backend() {
            DbBackend::Sqlite => {
                (SQLITE, words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ") + "*")
            }
            _ => (POSTGRES, words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" & ") + ":*"),
        };
        let statement =
            Statement::from_sql_and_values(self.backend(), sql, [query.into(), (MAX_MATCHES as i64).into()]);
        let rows = self.read.query_all_raw(statement).await?;
        rows.iter().map(|row| Match::from_query_result(row, "")).collect()
    }
}

const SQLITE: &str = "
SELECT messages.conversation_id, messages.id AS message_id,
       snippet(message_search, 0, char(2), char(3), '…', 16) AS snippet
FROM message_search JOIN messages ON messages.position = message_search.rowid
WHERE message_search MATCH $1 ORDER BY rank LIMIT $2";

const POSTGRES: &str = "
SELECT conversation_id, id AS message_id,
       ts_headline('simple', content, query,
                   'StartSel=' || chr(2) || ', StopSel=' || chr(3) || ', MaxWords=16, MinWords=8') AS snippet
FROM messages, to_tsquery('simple', $1) AS query
WHERE search @@ query ORDER BY ts_rank(search, query) DESC LIMIT $2";
