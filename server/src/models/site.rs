//! A website that models come from, asked so that what it answers can do no harm: bounded answers, bounded waits, and
//! redirects that lead neither to a lower protection nor from the internet into the networks around this computer.
//!
//! No credentials are sent to anybody, so none can be led elsewhere (CVE-2025-51471).

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{
    Client, ClientBuilder, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, HeaderMap, HeaderValue, LOCATION, RANGE},
    redirect::Policy,
};
use serde::de::DeserializeOwned;
use tokio::{net::lookup_host, sync::OnceCell, time::timeout};

use super::{ModelName, PullError, address::is_public};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For the head of an answer, and for a whole description.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A download that says nothing for so long is taken for broken.
const SILENCE: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 5;

/// A website under the address that the settings give it. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    /// What messages call it.
    name: &'static str,
    /// With a slash at its end.
    base: Url,
    /// For the address of the settings, which may be anywhere.
    client: Client,
    /// For where redirects lead.
    public_client: Client,
    is_private: Arc<OnceCell<bool>>,
}

impl Site {
    /// `setting` is the name of the setting that `url` comes from.
    pub fn new(name: &'static str, setting: &str, url: &str) -> anyhow::Result<Self> {
        let base = Url::parse(&format!("{}/", url.trim_end_matches('/')));
        let base = base.with_context(|| format!("{setting} is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            bail!("{setting} must begin with http:// or https://");
        }
        if !base.username().is_empty() || base.password().is_some() {
            bail!("{setting} must not hold a user name or a password");
        }
        let builder = || Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none());
        let mut client: ClientBuilder = builder();
        if is_local_host(&base) {
            client = client.no_proxy();
        }
        Ok(Self {
            name,
            base,
            client: client.build().context("the HTTP client cannot be set up")?,
            public_client: builder()
                .dns_resolver(PublicAddresses)
                .build()
                .context("the HTTP client cannot be set up")?,
            is_private: Arc::default(),
        })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The address of a path of the site, each of whose parts is taken literally.
    pub fn url<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        url
    }

    /// The answer at `url` as JSON of at most `limit` bytes. `None` when there is none for the public.
    pub async fn json<T: DeserializeOwned>(
        &self,
        url: Url,
        accept: &'static str,
        limit: usize,
    ) -> Result<Option<T>, PullError> {
        let reading = async {
            let response = self.get(url, [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect()).await?;
            match response.status() {
                StatusCode::OK => read_up_to(limit, response).await.map(Some),
                // Hugging Face does not tell what is missing from what is not public.
                StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(None),
                status => Err(self.bad_status(status)),
            }
        };
        let Some(body) = timeout(ANSWER_TIMEOUT, reading).await.map_err(|_| self.unreachable())?? else {
            return Ok(None);
        };
        serde_json::from_slice(&body).map(Some).map_err(|error| {
            tracing::warn!(%error, "{} gave an answer that cannot be read", self.name);
            PullError::Refused(format!("{} gave an answer that cannot be read", self.name))
        })
    }

    /// The bytes of a file from `start` on and before `end`: the response is `206`, or `200` from a site that sends whole
    /// files only.
    pub async fn range(&self, url: Url, start: u64, end: u64) -> Result<Response, PullError> {
        let range = HeaderValue::try_from(format!("bytes={start}-{}", end - 1)).ok();
        let headers = range.into_iter().map(|range| (RANGE, range)).collect();
        let response = timeout(ANSWER_TIMEOUT, self.get(url, headers)).await.map_err(|_| self.unreachable())??;
        match response.status() {
            StatusCode::PARTIAL_CONTENT | StatusCode::OK => Ok(response),
            status => Err(self.bad_status(status)),
        }
    }

    /// Ask and follow redirects.
    async fn get(&self, mut url: Url, headers: HeaderMap) -> Result<Response, PullError> {
        for _ in 0..=MAX_REDIRECTS {
            let request = self.client_for(&url).await.get(url.clone()).headers(headers.clone());
            // An address may hold a signature that lets everybody read, so it goes into no message.
            let response = request.send().await.map_err(|error| {
                let error = anyhow::Error::new(error.without_url());
                tracing::warn!(error = format!("{error:#}"), host = url.host_str(), "{} cannot be reached", self.name);
                self.unreachable()
            })?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| url.join(location).ok());
            url = self.check_redirect(&url, next).await?;
        }
        Err(self.bad_redirect("too many of them"))
    }

    /// The address of the settings is the administrator's choice; what it leads to is not.
    async fn client_for(&self, url: &Url) -> &Client {
        let is_trusted = url.host() == self.base.host() || self.is_private().await;
        if is_trusted { &self.client } else { &self.public_client }
    }

    async fn check_redirect(&self, from: &Url, to: Option<Url>) -> Result<Url, PullError> {
        let to = to.ok_or_else(|| self.bad_redirect("its address cannot be read"))?;
        let is_private = self.is_private().await;
        let goes_down = from.scheme() == "https" && to.scheme() == "http";
        if !matches!(to.scheme(), "http" | "https") || goes_down && !(is_private && is_local_host(&to)) {
            return Err(self.bad_redirect("it leaves HTTPS"));
        }
        if !to.username().is_empty() || to.password().is_some() {
            return Err(self.bad_redirect("it brings credentials"));
        }
        let stays = to.host() == self.base.host();
        if !stays
            && !is_private
            && (is_local_host(&to) || literal_address(&to).is_some_and(|address| !is_public(address)))
        {
            return Err(self.bad_redirect("it leads into a private network"));
        }
        Ok(to)
    }

    /// Whether the site itself is on this computer or in a network around it; then its redirects may stay there.
    async fn is_private(&self) -> bool {
        let find_out = || async {
            if is_local_host(&self.base) {
                return true;
            }
            if let Some(address) = literal_address(&self.base) {
                return !is_public(address);
            }
            match lookup_host((self.base.host_str().unwrap_or_default(), 0)).await {
                Ok(mut addresses) => addresses.all(|address| !is_public(address.ip())),
                Err(_) => false,
            }
        };
        *self.is_private.get_or_init(find_out).await
    }

    /// The site has no such model, or none for the public.
    pub fn not_found(&self, model: &ModelName) -> PullError {
        PullError::NotFound { site: self.name.to_owned(), model: model.to_string() }
    }

    fn unreachable(&self) -> PullError {
        PullError::Unreachable(self.name.to_owned())
    }

    fn bad_redirect(&self, why: &str) -> PullError {
        tracing::warn!(why, "{} redirects to where this server does not go", self.name);
        PullError::Refused(format!("{} redirects to where this server does not go: {why}", self.name))
    }

    fn bad_status(&self, status: StatusCode) -> PullError {
        if status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) {
            return PullError::Unavailable { site: self.name.to_owned(), status: status.as_u16() };
        }
        PullError::Refused(format!("{} refuses the download with status {}", self.name, status.as_u16()))
    }
}

/// The next bytes of a download; `None` at its end.
pub async fn next_chunk(
    chunks: &mut (impl Stream<Item = reqwest::Result<Bytes>> + Unpin),
) -> Result<Option<Bytes>, PullError> {
    match timeout(SILENCE, chunks.next()).await {
        Ok(chunk) => chunk.transpose().map_err(|_| PullError::BrokeOff),
        Err(_) => Err(PullError::BrokeOff),
    }
}

async fn read_up_to(limit: usize, response: Response) -> Result<Vec<u8>, PullError> {
    let mut chunks = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = next_chunk(&mut chunks).await? {
        if body.len() + chunk.len() > limit {
            return Err(PullError::Refused("the description of the model is longer than any that is known".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_local_host(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    host == "localhost"
        || host.ends_with(".localhost")
        || literal_address(url).is_some_and(|address| address.is_loopback())
}

fn literal_address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Resolves names to public addresses only. The address that was checked is the one that is connected to, so a name that
/// changes its address in between gains nothing.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses = lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = addresses.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn site(url: &str) -> Site {
        Site::new("the registry", "OLLAMA_REGISTRY_URL", url).unwrap()
    }

    async fn redirect(base: &str, from: &str, to: &str) -> Result<Url, PullError> {
        let from = Url::parse(from).unwrap();
        site(base).check_redirect(&from, from.join(to).ok()).await
    }

    /// A public registry, by address so that no test asks a name server.
    const PUBLIC: &str = "https://1.1.1.1";

    #[tokio::test]
    async fn a_public_registry_cannot_lead_into_a_private_network() {
        for to in [
            "https://localhost/x",
            "https://localhost:8000/api/jobs",
            "https://a.localhost/",
            "https://LOCALHOST./",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://172.16.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::7f00:1]/",
            "//127.0.0.1/x",
        ] {
            assert!(redirect(PUBLIC, PUBLIC, to).await.is_err(), "{to}");
        }
        redirect(PUBLIC, PUBLIC, "https://8.8.8.8/blob").await.unwrap();
    }

    #[tokio::test]
    async fn a_redirect_cannot_leave_https_or_bring_credentials() {
        for to in [
            "http://8.8.8.8/x",
            "http://1.1.1.1/x",
            "ftp://8.8.8.8/x",
            "file:///etc/passwd",
            "data:,x",
            "https://user:pass@8.8.8.8/",
        ] {
            assert!(redirect(PUBLIC, PUBLIC, to).await.is_err(), "{to}");
        }
    }

    #[tokio::test]
    async fn a_registry_of_a_private_network_may_lead_to_others_there() {
        for (base, to) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:9000/blob"),
            ("http://localhost:5000", "http://[::1]:9000/blob"),
            ("http://10.0.0.5", "http://10.0.0.6/blob"),
            ("https://10.0.0.5", "https://8.8.8.8/blob"),
        ] {
            redirect(base, base, to).await.unwrap_or_else(|error| panic!("{base} to {to}: {error}"));
        }
    }

    #[tokio::test]
    async fn a_name_that_has_no_public_address_is_not_connected_to() {
        let resolved = PublicAddresses.resolve("localhost".parse().unwrap()).await;
        assert_eq!(resolved.err().unwrap().to_string(), "the name has no public address");
    }

    /// How a download whose pieces come every so many seconds, and then no more, is read.
    async fn read_with_pauses(seconds: u64) -> (usize, Result<Option<Bytes>, PullError>) {
        let pieces = stream::iter(0..3).then(|_| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(Bytes::from_static(b"piece"))
        });
        let mut pieces = Box::pin(pieces.chain(stream::pending()));
        let mut count = 0;
        loop {
            match next_chunk(&mut pieces).await {
                Ok(Some(_)) => count += 1,
                end => return (count, end),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_download_is_read_and_a_silent_one_counts_as_broken() {
        assert!(matches!(read_with_pauses(29).await, (3, Err(PullError::BrokeOff))));
        assert!(matches!(read_with_pauses(31).await, (0, Err(PullError::BrokeOff))));
    }

    #[test]
    fn parts_of_a_path_are_taken_literally() {
        let site = site("https://mirror.example/ollama/");
        assert_eq!(
            site.url(["v2", "a?b#c", "../x", "%2e", "é"]).as_str(),
            "https://mirror.example/ollama/v2/a%3Fb%23c/..%2Fx/%252e/%C3%A9"
        );
        assert_eq!(site.url(["..", "x"]).as_str(), "https://mirror.example/ollama/x");
    }

    #[test]
    fn a_setting_that_is_no_address_of_a_website_is_refused_without_repeating_it() {
        for url in ["", "registry", "ftp://host/secret", "file:///models", "https://user:secret@host/"] {
            let error = Site::new("the registry", "OLLAMA_REGISTRY_URL", url).err().unwrap();
            assert!(format!("{error:#}").contains("OLLAMA_REGISTRY_URL"), "{error:#}");
            assert!(!format!("{error:#}").contains("secret"), "{error:#}");
        }
    }
}
