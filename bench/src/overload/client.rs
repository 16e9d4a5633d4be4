use std::net::Ipv4Addr;

use crate::{
    chat::{Answer, ChatError, ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
    idle_connections::IdleConnections,
};

/// Asks from an address of its own.
pub struct Client(IdleConnections);

impl Client {
    pub fn new(endpoint: &Endpoint, source: Ipv4Addr) -> Self {
        Self(IdleConnections::new(endpoint, Some(source)))
    }

    pub async fn ask(&self) -> Result<Answer, ChatError> {
        let mut connection = self.connection().await?;
        let answer = question().send(&mut connection).await;
        // One that was refused has been read to its end too.
        if matches!(answer, Ok(_) | Err(ChatError::Refused { .. })) {
            self.0.give_back(connection);
        }
        answer
    }

    pub async fn connection(&self) -> anyhow::Result<Connection> {
        self.0.take().await
    }
}

pub fn question() -> ChatRequest {
    ChatRequest::new("scripted", vec![Message::user("Recite")], super::WORDS)
}
