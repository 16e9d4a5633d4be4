//! A TCP proxy that can be stopped, as an API server goes away, and started again at the same address.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

pub struct Proxy {
    address: SocketAddr,
    target: String,
    task: JoinHandle<()>,
}

/// It refuses connections.
pub struct Stopped {
    address: SocketAddr,
    target: String,
}

impl Proxy {
    pub async fn to(target: &str) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Stopped { address: any, target: target.to_owned() }.start().await
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuse connections and cut those there are.
    pub async fn stop(self) -> Stopped {
        self.task.abort();
        let _ = self.task.await;
        Stopped { address: self.address, target: self.target }
    }
}

impl Stopped {
    pub async fn start(self) -> Proxy {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        Proxy { address, task: tokio::spawn(relay(listener, self.target.clone())), target: self.target }
    }
}

async fn relay(listener: TcpListener, target: String) {
    // Aborting this task drops the set, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let target = target.clone();
        connections.spawn(async move {
            let mut far = TcpStream::connect(target).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
