//! The least that a gateway in Rust can do: hyper's server, hyper's client with its pool, and nothing in between.

use std::net::SocketAddr;

use clap::Args;
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    http::uri::{Authority, Scheme},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, runtime::Runtime};

#[derive(Args)]
pub struct PassThroughArgs {
    #[arg(long)]
    listen: SocketAddr,

    /// Host and port of the server that answers.
    #[arg(long)]
    upstream: Authority,
}

/// On the runtime that Flotilla has too: a thread for each core that it may use.
pub fn serve(args: &PassThroughArgs) -> anyhow::Result<()> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind(args.listen).await?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (client, upstream) = (client.clone(), args.upstream.clone());
            let service = service_fn(move |request| forward(client.clone(), upstream.clone(), request));
            // A connection that breaks concerns the two sides that it breaks between.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    })
}

/// Bodies go through as they come, in both directions.
async fn forward(
    client: Client<HttpConnector, Incoming>,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> anyhow::Result<Response<Incoming>> {
    let mut parts = request.uri().clone().into_parts();
    (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(upstream));
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(client.request(request).await?)
}
