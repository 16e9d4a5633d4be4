//! What of a context is used, what needs the user's consent, and what is refused.
//!
//! The author of a kubeconfig chooses where requests go, so what it may make this machine run, read or send is limited:
//! programs wait for consent, token files must be tokens beside it, and nothing travels in the open off this machine.

use std::{fs, path::Path};

use kube::config::{AuthInfo, Cluster, ExecInteractiveMode};
use reqwest::Url;

use super::KubeconfigFile;
use crate::exec_consent::ExecPlugin;

/// Certificates, keys and tokens are a few kilobytes.
const MAX_CREDENTIAL_BYTES: u64 = 256 * 1024;

/// One context of a kubeconfig with what it refers to.
pub(crate) struct Access {
    pub cluster_name: String,
    pub user_name: String,
    pub namespace: Option<String>,
    pub server: String,
    /// On this machine: a mistake or a missing certificate endangers nobody else.
    pub is_local: bool,
    /// What it would run to sign in.
    pub exec: Option<ExecPlugin>,
    /// Why it cannot be used.
    pub problem: Option<String>,
    pub cluster: Cluster,
    pub user: AuthInfo,
}

/// Look a context up in its file; `others` complete what the file does not say, as files of one KUBECONFIG do.
pub(crate) fn access(file: &KubeconfigFile, others: &[KubeconfigFile], context: &str) -> Access {
    let all = || std::iter::once(file).chain(others);
    let described = file.context(context).cloned().unwrap_or_default();
    let user_name = described.user.clone().unwrap_or_default();
    let cluster = all().find_map(|file| file.cluster(&described.cluster)).cloned();
    // A user that is named and not there means no credentials to kubectl too.
    let (user, user_file) = all()
        .find_map(|file| file.user(&user_name).map(|user| (user.clone(), &file.path)))
        .unwrap_or((AuthInfo::default(), &file.path));
    let server = cluster.as_ref().and_then(|cluster| cluster.server.clone()).unwrap_or_default();
    let url = Url::parse(&server).ok();
    let is_local = url.as_ref().is_some_and(is_loopback);
    let exec = ExecPlugin::of(&user);
    let problem = match &cluster {
        None if file.context(context).is_none() => {
            Some(format!("There is no context {context} in {}.", file.path.display()))
        }
        None => Some(format!("Its cluster {} is not described. Add it to the kubeconfig.", described.cluster)),
        Some(cluster) => cluster_problem(cluster, url.as_ref(), is_local)
            .or_else(|| user_problem(&user, user_file.parent().unwrap_or(Path::new("/")), &server)),
    };
    Access {
        cluster_name: described.cluster,
        user_name,
        namespace: described.namespace.filter(|namespace| !namespace.is_empty()),
        server,
        is_local,
        exec,
        problem,
        cluster: cluster.unwrap_or_default(),
        user,
    }
}

fn cluster_problem(cluster: &Cluster, url: Option<&Url>, is_local: bool) -> Option<String> {
    let server = cluster.server.as_deref().unwrap_or_default();
    let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) else {
        return Some(format!("Its server {server:?} is not an http or https address. Correct it in the kubeconfig."));
    };
    if url.scheme() == "http" && !is_local {
        return Some(format!(
            "Its server {server} is not encrypted, so credentials would travel in the open. Use https."
        ));
    }
    if cluster.insecure_skip_tls_verify == Some(true) && !is_local {
        return Some(
            "It sets insecure-skip-tls-verify, so anyone on the way could pretend to be the cluster. That is accepted on \
             this machine only: put the cluster's certificate-authority into the kubeconfig instead."
                .to_owned(),
        );
    }
    if let Some(proxy) = cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty())
        && !Url::parse(proxy).is_ok_and(|proxy| matches!(proxy.scheme(), "http" | "https") && proxy.has_host())
    {
        return Some(format!("Its proxy-url {proxy:?} is not an http or https address. Correct or remove it."));
    }
    let authority = cluster.certificate_authority.as_deref().filter(|_| cluster.certificate_authority_data.is_none());
    credential_problem("certificate-authority", authority)
}

fn user_problem(user: &AuthInfo, folder: &Path, server: &str) -> Option<String> {
    let certificate = user.client_certificate.as_deref().filter(|_| user.client_certificate_data.is_none());
    let key = user.client_key.as_deref().filter(|_| user.client_key_data.is_none());
    credential_problem("client-certificate", certificate)
        .or_else(|| credential_problem("client-key", key))
        .or_else(|| token_file_problem(user, folder, server))
        .or_else(|| provider_problem(user))
        .or_else(|| {
            let interactive = user.exec.as_ref()?.interactive_mode.as_ref()?;
            (*interactive == ExecInteractiveMode::Always).then(|| {
                "Its sign-in program wants a terminal to ask on, and this app has none. Sign in with kubectl first, or use \
                 a kubeconfig with a token."
                    .to_owned()
            })
        })
}

fn credential_problem(field: &str, path: Option<&str>) -> Option<String> {
    let path = path?;
    match fs::metadata(path) {
        Err(error) => Some(format!("Its {field} {path} cannot be read: {error}.")),
        Ok(file) if !file.is_file() || file.len() > MAX_CREDENTIAL_BYTES => {
            Some(format!("Its {field} {path} is not a certificate or key file."))
        }
        Ok(_) => None,
    }
}

/// What stands in a token file is sent to the server, so it must not be any file that the kubeconfig's author likes.
fn token_file_problem(user: &AuthInfo, folder: &Path, server: &str) -> Option<String> {
    let path = user.token_file.as_deref().filter(|_| user.token.is_none())?;
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => return Some(format!("Its tokenFile {path} cannot be read: {error}.")),
    };
    let beside = fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
    // Where Kubernetes itself puts the tokens of a pod.
    if !beside && !real.starts_with("/run/secrets") && !real.starts_with("/var/run/secrets") {
        return Some(format!(
            "Its tokenFile {path} lies outside of the kubeconfig's folder, so it is not sent to {server}. Put the token \
             beside the kubeconfig."
        ));
    }
    let small = fs::metadata(&real).is_ok_and(|file| file.is_file() && file.len() <= MAX_CREDENTIAL_BYTES);
    let text = if small { fs::read_to_string(&real).unwrap_or_default() } else { String::new() };
    let is_token = !text.trim().is_empty() && text.trim().bytes().all(|byte| byte.is_ascii_graphic());
    (!is_token)
        .then(|| format!("Its tokenFile {path} does not hold a token on one line, so it is not sent to {server}."))
}

/// The legacy providers, of which kube-rs knows two: `oidc` with a token, and `gcp` with a command.
fn provider_problem(user: &AuthInfo) -> Option<String> {
    let provider = user.auth_provider.as_ref()?;
    let works = match provider.name.as_str() {
        "oidc" => provider.config.contains_key("id-token"),
        "gcp" => ["id-token", "cmd-path"].iter().any(|key| provider.config.contains_key(*key)),
        _ => false,
    };
    (!works).then(|| {
        format!(
            "It signs in through the legacy auth-provider {:?}, which Kubernetes has removed. Make the kubeconfig anew \
             with the cluster's own tool.",
            provider.name
        )
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback() || ip.is_unspecified(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unspecified(),
        // k3d and kind write these names; both lead to this machine.
        Some(url::Host::Domain(name)) => matches!(name, "localhost" | "host.docker.internal"),
        None => false,
    }
}
