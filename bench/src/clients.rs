//! Several clients of one server, each with a chat of its own.

use anyhow::ensure;
use futures::future::try_join_all;
use tokio::runtime::Runtime;

use crate::{
    chat::{Answer, ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
};

/// Ask a server, each time over new connections: it closes those that wait while another one has its turn.
pub struct Clients {
    endpoint: Endpoint,
    pub model: String,
}

impl Clients {
    pub async fn connect(endpoint: Endpoint) -> anyhow::Result<Self> {
        let model = Connection::open(&endpoint).await?.first_model().await?;
        Ok(Self { endpoint, model })
    }

    /// Asks all chats at once, for answers of `max_tokens`. One that is much shorter is an error.
    pub fn ask(&self, runtime: &Runtime, chats: &[Vec<Message>], max_tokens: u32) -> anyhow::Result<Vec<Answer>> {
        let Self { endpoint, model } = self;
        let answers = runtime.block_on(async {
            let mut connections = try_join_all(chats.iter().map(|_| Connection::open(endpoint))).await?;
            let answers = chats.iter().zip(&mut connections).map(|(chat, connection)| async move {
                ChatRequest::new(model, chat.clone(), max_tokens).send(connection).await
            });
            anyhow::Ok(try_join_all(answers).await?)
        })?;
        let enough = answers.iter().all(|answer| answer.usage.completion_tokens >= max_tokens / 4);
        ensure!(enough, "{model} answers too briefly to be measured");
        Ok(answers)
    }
}
