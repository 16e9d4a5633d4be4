//! What the shell remembers between two starts. The theme and the drafts are the page's own affair.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::server_url::ServerUrl;

#[derive(Default, Serialize, Deserialize)]
pub struct Settings {
    /// `None` is the server inside this app.
    #[serde(default)]
    pub server: Option<ServerUrl>,
}

/// The settings as a JSON file in the app's configuration folder.
pub struct SettingsFile {
    path: PathBuf,
}

impl SettingsFile {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// What was saved; the defaults when nothing was, or nothing that can be read.
    pub fn load(&self) -> Settings {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Settings::default(),
            Err(error) => {
                tracing::warn!(%error, "the settings cannot be read; the defaults are used");
                return Settings::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the settings are damaged; the defaults are used");
            Settings::default()
        })
    }

    /// Replace the file as a whole, so that a crash leaves the old one or the new one.
    pub fn save(&self, settings: &Settings) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let unfinished = self.path.with_extension("json.new");
        fs::write(&unfinished, serde_json::to_vec_pretty(settings)?)?;
        fs::rename(&unfinished, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_choice_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/settings.json");
        let server = Some("https://example.org/chat".parse().unwrap());
        SettingsFile::new(path.clone()).save(&Settings { server: server.clone() }).unwrap();
        assert_eq!(SettingsFile::new(path).load().server, server);
    }

    #[test]
    fn damaged_or_hostile_settings_mean_this_computer() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", "[]", r#"{"server":"file:///etc/passwd"}"#, r#"{"server":"https://a:b@example.org"}"#] {
            let path = folder.path().join("settings.json");
            fs::write(&path, text).unwrap();
            assert_eq!(SettingsFile::new(path).load().server, None, "from {text}");
        }
    }
}
