//! The accept loop. axum's own has no header timeout, no connection cap, no deadline for its graceful end, and leaves
//! Nagle's algorithm on, which holds back each token for 40 ms.

mod client;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
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
        let connection = builder.serve_connection(TokioIo::new(client.clone()), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(error, "a connection broke off");
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

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper counts the wait for the next request too.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    builder
}

/// Ends when nothing was asked for in time. hyper's own timeout begins only when the first bytes have told the version
/// of HTTP, and for HTTP/1 alone: whoever sends none, or nothing after HTTP/2's greeting, would keep a place for ever.
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
