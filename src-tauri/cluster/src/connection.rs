//! A connection to one cluster.

use std::{future::Future, path::Path, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Client, Config,
    config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext},
};

use crate::{
    Error, ErrorKind, Result,
    error::chain,
    exec_consent::{self, ExecConsent},
    identity::Identity,
    kubeconfig::{Access, KubeconfigFile, access},
};

/// Where the manifests put Flotilla.
pub const NAMESPACE: &str = "llm-as-a-service";

/// Long enough for a sign-in program that opens a browser window.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(60);
/// Polite to a small API server, and quick enough.
const REQUESTS_AT_ONCE: usize = 8;
/// For one answer of the API server; watches and logs have no such limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A cluster and the namespace of it that Flotilla is in.
#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
    pub context: String,
    pub namespace: String,
    /// The API server is on this machine.
    pub is_local: bool,
    pub identity: Identity,
}

impl Cluster {
    /// A cluster of this machine by a client that somebody else has made.
    pub fn with_client(client: Client, context: impl Into<String>, namespace: impl Into<String>) -> Self {
        let context = context.into();
        let identity = Identity::reached_by(&[context.as_bytes()]);
        Self { client, context, namespace: namespace.into(), is_local: true, identity }
    }

    /// What tells this cluster from every other one, whatever its context is called.
    pub(crate) async fn identity(&self) -> Result<String> {
        self.identity.ask(&self.client).await
    }

    /// Connect to a context of one kubeconfig file, its current one when none is named.
    pub async fn connect(kubeconfig: &Path, context: Option<&str>, consent: &ExecConsent) -> Result<Self> {
        let file = KubeconfigFile::read(kubeconfig)?;
        let current = file.config.current_context.clone();
        let context = context.map(str::to_owned).or(current).ok_or_else(|| {
            let message = format!("{} has no current context. Choose one of its contexts.", kubeconfig.display());
            Error::lasting(ErrorKind::Kubeconfig, message)
        })?;
        let access = access(&file, &[], &context);
        Self::open(context, access, consent).await
    }

    /// The same cluster, with Flotilla in another namespace of it.
    pub fn in_namespace(self, namespace: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    pub(crate) async fn open(context: String, access: Access, consent: &ExecConsent) -> Result<Self> {
        let is_local = access.is_local;
        let kubeconfig = allowed(&context, access, consent)?;
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|error| unusable(&context, &chain(&error)))?;
        let authority = config.root_cert.iter().flatten().flatten().copied().collect::<Vec<_>>();
        let identity =
            Identity::reached_by(&[config.cluster_url.to_string().as_bytes(), &authority, context.as_bytes()]);
        if is_local {
            // It may stem from the environment, and no proxy reaches this machine better than we do.
            config.proxy_url = None;
        }
        config.connect_timeout = Some(Duration::from_secs(5));
        // kube-rs runs the sign-in program here, and blocks meanwhile. It does so three times, for the token and for a
        // certificate on each of two ways, and again by itself before the token expires: doing that here instead would
        // mean to write its renewal anew.
        let connecting = tokio::task::spawn_blocking({
            let runtime = tokio::runtime::Handle::current();
            move || {
                let _runtime = runtime.enter();
                Client::try_from(config)
            }
        });
        let client = match tokio::time::timeout(SIGN_IN_LIMIT, connecting).await {
            Ok(Ok(client)) => client.map_err(Error::from)?,
            Ok(Err(panic)) => return Err(unusable(&context, &panic.to_string())),
            Err(_) => {
                let message = format!("The sign-in program of the context {context} did not end within a minute.");
                return Err(Error::passing(ErrorKind::ClusterUnreachable, message));
            }
        };
        Ok(Self { client, context, namespace: NAMESPACE.to_owned(), is_local, identity })
    }
}

/// The kubeconfig of this one context with everything taken out that the user has not agreed to.
fn allowed(context: &str, access: Access, consent: &ExecConsent) -> Result<Kubeconfig> {
    if let Some(problem) = &access.problem {
        return Err(unusable(context, problem.trim_end_matches('.')));
    }
    let Access { cluster, mut user, exec, .. } = access;
    if let Some(plugin) = exec {
        if !consent.trusts(&plugin) {
            return Err(exec_consent::needed(context, &plugin));
        }
        if let Some(exec) = &mut user.exec {
            // A window has no terminal to ask on.
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
            // kube-rs would look at a provider first, and only one command was agreed to.
            user.auth_provider = None;
        }
    } else {
        user.exec = None;
    }
    let named = kube::config::Context { cluster: "cluster".into(), user: Some("user".into()), ..Default::default() };
    Ok(Kubeconfig {
        clusters: vec![NamedCluster { name: "cluster".into(), cluster: Some(cluster), ..Default::default() }],
        auth_infos: vec![NamedAuthInfo { name: "user".into(), auth_info: Some(user), ..Default::default() }],
        contexts: vec![NamedContext { name: context.to_owned(), context: Some(named), ..Default::default() }],
        current_context: Some(context.to_owned()),
        ..Default::default()
    })
}

fn unusable(context: &str, why: &str) -> Error {
    Error::lasting(ErrorKind::Kubeconfig, format!("The context {context} cannot be used. {why}."))
}

/// Wait for one answer of the API server, but not forever.
pub(crate) async fn answer<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T> {
    match tokio::time::timeout(ANSWER_LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::passing(
            ErrorKind::ClusterUnreachable,
            format!(
                "The API server gave no answer within {} s. Check the cluster, then try again.",
                ANSWER_LIMIT.as_secs()
            ),
        )),
    }
}

/// A few requests at a time; their answers come in order.
pub(crate) async fn at_once<T>(requests: impl IntoIterator<Item = impl Future<Output = Result<T>>>) -> Result<Vec<T>> {
    // Collected first: the compiler cannot show a lazy map over references to be Send.
    let requests: Vec<_> = requests.into_iter().collect();
    stream::iter(requests).buffered(REQUESTS_AT_ONCE).try_collect().await
}
