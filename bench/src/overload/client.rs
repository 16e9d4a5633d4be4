use std::{cell::RefCell, net::Ipv4Addr};

use crate::{
    chat::{Answer, ChatError, ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
};

/// Asks from an address of its own, each request over a connection that has nothing to do, or a new one.
pub struct Client {
    endpoint: Endpoint,
    source: Ipv4Addr,
    idle: RefCell<Vec<Connection>>,
}

impl Client {
    pub fn new(endpoint: &Endpoint, source: Ipv4Addr) -> Self {
        Self { endpoint: endpoint.clone(), source, idle: RefCell::default() }
    }

    pub async fn ask(&self) -> Result<Answer, ChatError> {
        let mut connection = self.connection().await?;
        let answer = question().send(&mut connection).await;
        // One that was refused has been read to its end too.
        if matches!(answer, Ok(_) | Err(ChatError::Refused { .. })) {
            self.idle.borrow_mut().push(connection);
        }
        answer
    }

    pub async fn connection(&self) -> anyhow::Result<Connection> {
        let idle = self.idle.borrow_mut().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Connection::open_from(self.source, &self.endpoint).await,
        }
    }
}

pub fn question() -> ChatRequest {
    ChatRequest::new("scripted", vec![Message::user("Recite")], super::WORDS)
}
