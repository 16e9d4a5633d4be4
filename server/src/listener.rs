//! The accept loop. axum's own has no header timeout, no connection cap, no deadline for its graceful end, and leaves
//! Nagle's algorithm on, which holds back each token for 40 ms.

use std::{sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower::ServiceExt;

use crate::{shutdown, state::AppState};

/// Pause after a failed accept, which is usually the limit on open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serve `router` until `stop` resolves, then drain: answers that run may finish, up to the configured time.
pub async fn serve(listener: TcpListener, router: Router, state: AppState, stop: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(state.config.max_connections as usize));
    let graceful = GracefulShutdown::new();
    let builder = builder(state.config.header_timeout());
    tokio::pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = connections.clone().acquire_owned() => permit,
            () = &mut stop => break,
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let Some(stream) = without_delay(stream) else { continue };
        let service = TowerToHyperService::new(router.clone().map_request(|request: Request<Incoming>| request));
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection broke off");
            }
            drop(permit);
        });
    }
    drop(listener);
    shutdown::drain(&state, graceful.shutdown()).await;
}

fn builder(header_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    builder
}

fn without_delay(stream: TcpStream) -> Option<TcpStream> {
    // Fails only when the client is gone already.
    stream.set_nodelay(true).ok().map(|()| stream)
}
