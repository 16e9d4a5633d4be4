//! The listener that the API server comes to. Its own certificate is made at each start: an APIService is told not to
//! check it, because replicas would have to share a key to be checked. The API server's certificate is checked.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use kube::Client;
use rcgen::generate_simple_self_signed;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::front_proxy::FrontProxy;
use crate::backoff::Backoff;

/// The API server keeps one or two open; what comes from elsewhere does not get past the handshake.
const MAX_CONNECTIONS: usize = 64;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long what is known of the front proxy is taken to be true: its authority changes once in years.
const TRUSTED: Duration = Duration::from_secs(600);

/// Whom to let in, and how.
struct Door {
    acceptor: TlsAcceptor,
    front_proxy: FrontProxy,
    opened: Instant,
}

/// Answer the API server, for ever.
pub async fn serve(listener: TcpListener, router: Router, client: Client) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut door = Arc::new(open_at_last(&client).await);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Usually the limit on open files.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        if door.opened.elapsed() > TRUSTED {
            match open(&client).await {
                Ok(opened) => door = Arc::new(opened),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "the front proxy cannot be asked for again"),
            }
        }
        let (door, router) = (door.clone(), router.clone());
        tokio::spawn(async move {
            if let Err(error) = answer(stream, &door, router).await {
                tracing::debug!(error = format!("{error:#}"), "a connection for external metrics broke off");
            }
            drop(place);
        });
    }
}

/// Until the API server has told who it is: a pod may start before its rights are there.
async fn open_at_last(client: &Client) -> Door {
    let mut backoff = Backoff::default();
    loop {
        match open(client).await {
            Ok(door) => return door,
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "external metrics wait for the API server");
                sleep(backoff.pause(Duration::ZERO)).await;
            }
        }
    }
}

async fn open(client: &Client) -> anyhow::Result<Door> {
    let front_proxy = FrontProxy::read(client.clone()).await?;
    let (certificate, key) = certificate()?;
    let provider = Arc::new(default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(front_proxy.authorities.clone(), provider.clone()).build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Door { acceptor: TlsAcceptor::from(Arc::new(config)), front_proxy, opened: Instant::now() })
}

fn certificate() -> anyhow::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let made = generate_simple_self_signed(["flotilla".to_owned()]).context("a certificate cannot be made")?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Ok((made.cert.into(), key.into()))
}

async fn answer(stream: TcpStream, door: &Door, router: Router) -> anyhow::Result<()> {
    let stream = timeout(HANDSHAKE, door.acceptor.accept(stream)).await.context("no handshake came")??;
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first).context("no certificate came")?;
    if !door.front_proxy.owns(certificate) {
        tracing::warn!("somebody with a certificate that is not the front proxy's asked for external metrics");
        return Ok(());
    }
    let service = TowerToHyperService::new(router);
    let served = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    served.map_err(anyhow::Error::from_boxed)
}
