//! Programs that a kubeconfig wants to run, and which of them the user has agreed to.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use kube::config::AuthInfo;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use ts_rs::TS;

use crate::{Error, ErrorKind, Result, state_file};

/// A sign-in program: an `exec` entry, or the command of a legacy `auth-provider`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct ExecPlugin {
    pub command: String,
    pub arguments: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Of all the above: another argument is another program to agree to.
    pub fingerprint: String,
    pub trusted: bool,
}

impl ExecPlugin {
    /// What the user's entry would run, if anything. It is not trusted yet.
    pub(crate) fn of(user: &AuthInfo) -> Option<Self> {
        let (command, arguments, environment) = if let Some(exec) = &user.exec {
            let environment = exec
                .env
                .iter()
                .flatten()
                .filter_map(|variable| Some(format!("{}={}", variable.get("name")?, variable.get("value")?)));
            (exec.command.clone().unwrap_or_default(), exec.args.clone().unwrap_or_default(), environment.collect())
        } else {
            let config = &user.auth_provider.as_ref()?.config;
            // kube-rs splits the arguments in the same way.
            let arguments = config.get("cmd-args").map(|line| line.split_whitespace().map(str::to_owned).collect());
            (config.get("cmd-path")?.clone(), arguments.unwrap_or_default(), Vec::new())
        };
        let fingerprint = fingerprint(&command, &arguments, &environment);
        Some(Self { command, arguments, environment, fingerprint, trusted: false })
    }

    /// As one would type it.
    pub(crate) fn line(&self) -> String {
        let words = self.environment.iter().chain([&self.command]).chain(&self.arguments);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn fingerprint(command: &str, arguments: &[String], environment: &[String]) -> String {
    // JSON keeps the parts apart: ["a b"] and ["a", "b"] are different programs.
    let described = serde_json::json!([command, arguments, environment]).to_string();
    Sha256::digest(described.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fingerprints that the user has agreed to, in a file of their own.
#[derive(Clone, Debug)]
pub struct ExecConsent {
    file: PathBuf,
}

impl ExecConsent {
    pub fn new(state_folder: &Path) -> Self {
        Self { file: state_folder.join("trusted-programs.json") }
    }

    pub fn trusts(&self, plugin: &ExecPlugin) -> bool {
        // A file that cannot be read trusts nothing.
        self.read().is_ok_and(|trusted| trusted.contains(&plugin.fingerprint))
    }

    /// Remember the agreement to this very command.
    pub fn trust(&self, plugin: &ExecPlugin) -> Result<()> {
        let mut trusted = self.read().unwrap_or_default();
        trusted.insert(plugin.fingerprint.clone());
        state_file::write(&self.file, &trusted)
    }

    fn read(&self) -> Result<BTreeSet<String>> {
        Ok(state_file::read(&self.file)?.unwrap_or_default())
    }
}

pub(crate) fn needed(context: &str, plugin: &ExecPlugin) -> Error {
    Error::lasting(
        ErrorKind::NeedsConsent,
        format!("The context {context} runs `{}` to sign in. Look at the command and allow it first.", plugin.line()),
    )
}
