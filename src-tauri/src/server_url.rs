//! The address of another Flotilla server, as a user may type it.

use std::{fmt, str::FromStr};

use reqwest::Url;
use serde::{Deserialize, Serialize};

/// An `http` or `https` address without credentials, query or fragment; it may have a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl(Url);

/// Why an address is not taken; each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServerUrl {
    #[error("Enter an address such as https://flotilla.example.org.")]
    NotAnAddress,
    #[error("The address must begin with http:// or https://.")]
    Scheme,
    #[error("Leave the user name and the password out of the address.")]
    Credentials,
    #[error("Leave out everything from the question mark or the number sign on.")]
    Extra,
}

impl ServerUrl {
    /// The address of `path_and_query`, which begins with a slash, on this server.
    pub fn join(&self, path_and_query: &str) -> String {
        format!("{self}{path_and_query}")
    }
}

impl FromStr for ServerUrl {
    type Err = InvalidServerUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(|_| InvalidServerUrl::NotAnAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidServerUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidServerUrl::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidServerUrl::Extra);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = InvalidServerUrl;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.to_string()
    }
}

/// Without a slash at its end.
impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_the_slash_at_its_end_and_keeps_its_path() {
        let url: ServerUrl = " https://Example.org:8443/chat/ ".parse().unwrap();
        assert_eq!(url.join("/api/models?limit=1"), "https://example.org:8443/chat/api/models?limit=1");
    }

    #[test]
    fn what_is_not_a_plain_web_address_is_refused_with_the_reason() {
        let refusal = |text: &str| text.parse::<ServerUrl>().unwrap_err();
        assert_eq!(refusal(""), InvalidServerUrl::NotAnAddress);
        assert_eq!(refusal("example.org"), InvalidServerUrl::NotAnAddress);
        assert_eq!(refusal("http://"), InvalidServerUrl::NotAnAddress);
        assert_eq!(refusal("ftp://example.org"), InvalidServerUrl::Scheme);
        assert_eq!(refusal("javascript:alert(1)"), InvalidServerUrl::Scheme);
        assert_eq!(refusal("https://me:secret@example.org"), InvalidServerUrl::Credentials);
        assert_eq!(refusal("https://me@example.org"), InvalidServerUrl::Credentials);
        assert_eq!(refusal("https://example.org/?token=1"), InvalidServerUrl::Extra);
        assert_eq!(refusal("https://example.org/#chat"), InvalidServerUrl::Extra);
    }
}
