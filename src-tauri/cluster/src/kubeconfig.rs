//! One kubeconfig file, read as what it may be: a stranger's download.
//!
//! Nothing is run and nothing that it points to is opened here; [`safety`] judges that for one context at a time.

mod safety;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use kube::config::{AuthInfo, Cluster, Context, Kubeconfig};

pub(crate) use self::safety::{Access, access};
use crate::{Error, ErrorKind, Result};

/// Real ones with dozens of clusters stay far below this.
const MAX_BYTES: u64 = 1024 * 1024;

/// A kubeconfig whose relative paths are made absolute, as they are meant relative to the file.
#[derive(Clone)]
pub(crate) struct KubeconfigFile {
    pub path: PathBuf,
    pub config: Kubeconfig,
}

impl KubeconfigFile {
    pub fn read(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let text = read_text(&path)?;
        let mut config = Kubeconfig::from_yaml(&text).map_err(|error| {
            // The parser points at the line below a picture of it; the first line says what is wrong.
            let said = error.to_string();
            let said = said.lines().next().unwrap_or_default().trim_end_matches([':', '.']).to_owned();
            wrong(&path, &format!("is not a kubeconfig: {said}. Pick another file, or mend it"))
        })?;
        if config.contexts.is_empty() && config.clusters.is_empty() {
            return Err(wrong(&path, "names no cluster, so it is not a kubeconfig. Pick another file"));
        }
        resolve_paths(&mut config, path.parent().unwrap_or(Path::new("/")));
        Ok(Self { path, config })
    }

    pub fn context(&self, name: &str) -> Option<&Context> {
        self.config.contexts.iter().find(|named| named.name == name)?.context.as_ref()
    }

    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.config.clusters.iter().find(|named| named.name == name)?.cluster.as_ref()
    }

    pub fn user(&self, name: &str) -> Option<&AuthInfo> {
        self.config.auth_infos.iter().find(|named| named.name == name)?.auth_info.as_ref()
    }
}

fn read_text(path: &Path) -> Result<String> {
    let metadata = std::fs::metadata(path).map_err(|error| cannot_read(path, &error))?;
    // A pipe or a device would never end.
    if !metadata.is_file() {
        return Err(wrong(path, "is not a file. Pick a kubeconfig file"));
    }
    let file = std::fs::File::open(path).map_err(|error| cannot_read(path, &error))?;
    let mut bytes = Vec::new();
    // The length is checked on what is read: the file may be growing.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| cannot_read(path, &error))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong(path, "is larger than 1 MB, so it is not read as a kubeconfig. Pick another file"));
    }
    String::from_utf8(bytes)
        .map_err(|_| wrong(path, "is not text in UTF-8, so it is not a kubeconfig. Pick another file"))
}

fn resolve_paths(config: &mut Kubeconfig, folder: &Path) {
    let absolute = |path: &mut Option<String>| {
        if let Some(relative) = path.as_deref().filter(|path| !path.is_empty()) {
            *path = Some(folder.join(relative).to_string_lossy().into_owned());
        }
    };
    for cluster in config.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        absolute(&mut cluster.certificate_authority);
    }
    for user in config.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        absolute(&mut user.client_certificate);
        absolute(&mut user.client_key);
        absolute(&mut user.token_file);
        // A bare name is looked for on PATH, as kubectl does.
        if let Some(exec) = &mut user.exec
            && exec.command.as_deref().is_some_and(|command| command.contains(std::path::is_separator))
        {
            absolute(&mut exec.command);
        }
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    Error::passing(ErrorKind::Kubeconfig, format!("{} cannot be read: {error}.", path.display()))
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::lasting(ErrorKind::Kubeconfig, format!("{} {what}.", path.display()))
}
