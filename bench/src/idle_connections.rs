//! Connections to one server that have nothing to do.

use std::{cell::RefCell, net::Ipv4Addr};

use crate::{connection::Connection, endpoint::Endpoint};

/// Where a request takes a connection from, or a new one if there is none: a user does not wait for another's.
pub struct IdleConnections {
    endpoint: Endpoint,
    /// The address that they come from; by default the system's choice.
    source: Option<Ipv4Addr>,
    idle: RefCell<Vec<Connection>>,
}

impl IdleConnections {
    pub fn new(endpoint: &Endpoint, source: Option<Ipv4Addr>) -> Self {
        Self { endpoint: endpoint.clone(), source, idle: RefCell::default() }
    }

    pub async fn take(&self) -> anyhow::Result<Connection> {
        let idle = self.idle.borrow_mut().pop();
        match (idle, self.source) {
            (Some(connection), _) => Ok(connection),
            (None, Some(source)) => Connection::open_from(source, &self.endpoint).await,
            (None, None) => Connection::open(&self.endpoint).await,
        }
    }

    /// Only one whose answer has been read to its end.
    pub fn give_back(&self, connection: Connection) {
        self.idle.borrow_mut().push(connection);
    }
}
