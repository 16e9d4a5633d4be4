//! The accept loop. axum's own has no header timeout, no connection cap, no deadline for its graceful end, and leaves
//! Nagle's algorithm on, which holds back each token for 40 ms.

mod client;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1::Builder};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};
use tower::ServiceExt;

use self::client::Client;
use crate::{shutdown, state::AppState};

/// Pause after a failed accept, which is usually the limit on open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long a connection that has asked may wait before it asks again. Longer than proxies keep theirs (Traefik 90 s, nginx
/// 60 s): otherwise now and then one would send a request into a connection that is being closed, and answer 502.
const KEEP_ALIVE: Duration = Duration::from_secs(120);
/// How long a client that sends no more may still be answered. hyper cuts off those that it notices itself, once what it can say
/// at once is said; this is for what it says to the others.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Serve `router` until `stop` resolves, then drain: answers that run may finish, up to the configured time.
pub async fn serve(listener: TcpListener, router: Router, state: AppState, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(state.config.max_connections as usize));
    let graceful = GracefulShutdown::new();
    let header_timeout = state.config.header_timeout();
    let builder = builder();
    tokio::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let Some(stream) = prepared(stream, state.config.send_timeout()) else { continue };
        let asked = Arc::new(Notify::new());
        let has_asked = asked.clone();
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            has_asked.notify_one();
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let service = TowerToHyperService::new(service);
        let client = Client::new(stream);
        let connection = builder.serve_connection(TokioIo::new(client.clone()), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke off");
                },
                () = silence(&asked, header_timeout) => tracing::debug!("a connection without a request was cut off"),
                () = departure(&client) => tracing::debug!("a client left that had sent more than was read"),
            }
            drop(permit);
        });
    }
    drop(listener);
    shutdown::drain(&state, graceful.shutdown()).await;
}

/// HTTP/1 alone: a client of HTTP/2 that opens no window holds its answer, and the answer's slot, for as long as it says that it is
/// there, and TCP sees nothing of it.
fn builder() -> Builder {
    let mut builder = Builder::new();
    // hyper counts the wait for the next request too.
    builder.timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE);
    builder
}

/// Ends when nothing was asked for in time, which is shorter than the wait between two requests.
async fn silence(asked: &Notify, limit: Duration) {
    if timeout(limit, asked.notified()).await.is_ok() {
        std::future::pending().await
    }
}

async fn departure(client: &Client) {
    client.gone().await;
    sleep(LAST_WORDS).await;
}

/// `None` when the client is gone already, which is the only way in which this fails.
fn prepared(stream: TcpStream, send_timeout: Duration) -> Option<TcpStream> {
    stream.set_nodelay(true).ok()?;
    // A client that reads nothing would hold its answer's slot for ever, because nobody asks hyper's body for more. Linux ends
    // a connection whose data nobody takes for so long, with a window of zero too (tcp(7), TCP_USER_TIMEOUT).
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(send_timeout)).ok()?;
    #[cfg(not(target_os = "linux"))]
    let _ = send_timeout;
    Some(stream)
}
