//! Everything that the page may ask the shell for. The list is also in `build.rs` and in `capabilities/main.json`.

pub mod cluster;
pub mod deploy;
pub mod streams;

use serde::Serialize;
use tauri::{State, Url};
use ts_rs::TS;

use crate::{
    error::{CommandError, ErrorKind},
    server_choice::ServerChoice,
    server_url::ServerUrl,
};

/// Where the page finds the API.
#[derive(Clone, Serialize, TS)]
pub struct Connection {
    /// Without a slash at its end.
    pub base_url: String,
    /// Bearer token, made when the app or the choice of server started.
    pub token: String,
    /// The chosen server; `null` is this computer.
    pub server: Option<String>,
}

/// Wait until the chosen server can be talked to, and say where.
#[tauri::command]
pub async fn connection(choice: State<'_, ServerChoice>) -> Result<Connection, CommandError> {
    choice.connection().await
}

/// Talk to another server, or to this computer with `null`. The page has to ask for its connection again.
#[tauri::command]
pub async fn set_server(url: Option<String>, choice: State<'_, ServerChoice>) -> Result<(), CommandError> {
    let server = url.map(|url| url.parse::<ServerUrl>()).transpose();
    let server = server.map_err(|error| CommandError::lasting(ErrorKind::InvalidAddress, error.to_string()))?;
    choice.switch(server).await
}

/// Open an address in the user's browser or mail program.
#[tauri::command]
pub async fn open_external(url: String) -> Result<(), CommandError> {
    let url = external_url(&url)?;
    tauri_plugin_opener::open_url(url, None::<&str>).map_err(|error| {
        tracing::warn!(%error, "an address cannot be opened");
        CommandError::passing(ErrorKind::NotOpened, "No program on this computer opens this address.")
    })
}

/// Anything else could start a program: model output decides what is in a link.
fn external_url(text: &str) -> Result<Url, CommandError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"));
    url.ok_or_else(|| {
        let message = "Only addresses that begin with http:, https: or mailto: are opened.";
        CommandError::lasting(ErrorKind::InvalidAddress, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_and_mail_addresses_are_opened() {
        for url in ["https://example.org/a?b#c", "HTTP://EXAMPLE.ORG", "mailto:a@example.org"] {
            assert!(external_url(url).is_ok(), "{url} was refused");
        }
    }

    #[test]
    fn addresses_that_could_start_a_program_are_refused() {
        for url in [
            "",
            "/etc/passwd",
            "example.org",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,hello",
            "vbscript:x",
            "smb://host/share",
            "ftp://example.org",
            "ssh://example.org",
            "tauri://localhost",
            "x-terminal:run",
            "--help",
            "\u{202e}https://example.org",
        ] {
            assert!(external_url(url).is_err(), "{url:?} was opened");
        }
    }
}
