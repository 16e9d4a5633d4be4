//! The contexts that a user may choose from, and the one that is chosen.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{
    Cluster, Error, ErrorKind, Result,
    exec_consent::{ExecConsent, ExecPlugin},
    k3d::K3dName,
    kubeconfig::{Access, KubeconfigFile, access},
    state_file,
};

/// A context's name is unique in its file only.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub struct ContextId {
    pub file: String,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Context {
    pub id: ContextId,
    pub cluster: String,
    pub user: String,
    pub namespace: Option<String>,
    pub server: String,
    /// The current context of the first file that names one.
    pub is_current: bool,
    /// The API server is on this machine.
    pub is_local: bool,
    /// `flotilla` for the context `k3d-flotilla`.
    #[ts(as = "Option<String>")]
    pub k3d_cluster: Option<K3dName>,
    /// What it would run to sign in; not before it is trusted.
    pub exec: Option<ExecPlugin>,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Contexts {
    pub contexts: Vec<Context>,
    pub chosen: Option<ContextId>,
    pub problems: Vec<FileProblem>,
}

/// A file that could not be read as a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct FileProblem {
    pub file: String,
    pub message: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Remembered {
    /// Files picked through the dialog.
    added: Vec<PathBuf>,
    chosen: Option<ContextId>,
}

/// Every kubeconfig that the environment names or the user has picked.
#[derive(Clone)]
pub struct ContextStore {
    /// They complete each other, as kubectl merges them.
    files: Vec<PathBuf>,
    remembered: PathBuf,
    consent: ExecConsent,
}

impl ContextStore {
    /// What kubectl would read: the files of KUBECONFIG, else `.kube/config` in the home folder.
    pub fn from_environment(state_folder: &Path) -> Self {
        let named = std::env::var_os("KUBECONFIG").filter(|files| !files.is_empty());
        let files = match named {
            Some(files) => std::env::split_paths(&files).filter(|file| !file.as_os_str().is_empty()).collect(),
            None => std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect(),
        };
        Self::new(files, state_folder)
    }

    pub fn new(files: Vec<PathBuf>, state_folder: &Path) -> Self {
        Self { files, remembered: state_folder.join("contexts.json"), consent: ExecConsent::new(state_folder) }
    }

    pub fn consent(&self) -> &ExecConsent {
        &self.consent
    }

    pub fn list(&self) -> Result<Contexts> {
        let remembered = self.remembered()?;
        let (files, problems) = self.read(&remembered);
        let mut contexts = Vec::new();
        let mut current = files.iter().find_map(|(file, _)| {
            let name = file.config.current_context.clone().filter(|name| !name.is_empty())?;
            Some(ContextId { file: file.path.display().to_string(), name })
        });
        // kubectl looks for the current context's description in all files, so it may stand in a later one.
        if let Some(id) = &mut current
            && let Some((file, _)) = files.iter().find(|(file, _)| file.context(&id.name).is_some())
        {
            id.file = file.path.display().to_string();
        }
        for (file, others) in &files {
            for named in &file.config.contexts {
                let id = ContextId { file: file.path.display().to_string(), name: named.name.clone() };
                let is_current = current.as_ref() == Some(&id);
                contexts.push(self.describe(id, is_current, access(file, others, &named.name)));
            }
        }
        // One file may name a context twice; kubectl takes the first.
        let mut seen = HashSet::new();
        contexts.retain(|context| seen.insert(context.id.clone()));
        let chosen = remembered.chosen.filter(|chosen| seen.contains(chosen));
        Ok(Contexts { contexts, chosen, problems })
    }

    /// Remember a file that the user picked. A file that is no kubeconfig is refused.
    pub fn add(&self, file: &Path) -> Result<Contexts> {
        let file = KubeconfigFile::read(file)?;
        let mut remembered = self.remembered()?;
        if !remembered.added.contains(&file.path) && !self.files.contains(&file.path) {
            remembered.added.push(file.path);
            state_file::write(&self.remembered, &remembered)?;
        }
        self.list()
    }

    pub fn choose(&self, context: Option<ContextId>) -> Result<Contexts> {
        if let Some(id) = &context {
            self.find(id)?;
        }
        let remembered = Remembered { chosen: context, ..self.remembered()? };
        state_file::write(&self.remembered, &remembered)?;
        self.list()
    }

    /// Agree to the program of a context. The fingerprint is of the command that the user has seen, and the file may
    /// have changed since.
    pub fn trust(&self, context: &ContextId, fingerprint: &str) -> Result<Contexts> {
        match self.find(context)?.exec {
            Some(plugin) if plugin.fingerprint == fingerprint => self.consent.trust(&plugin)?,
            _ => {
                let message = format!("The command of {} has changed meanwhile. Look at it again.", context.name);
                return Err(Error::lasting(ErrorKind::NeedsConsent, message));
            }
        }
        self.list()
    }

    /// The chosen context, or kubectl's current one when none is chosen.
    pub fn selected(&self) -> Result<ContextId> {
        let Contexts { contexts, chosen, .. } = self.list()?;
        let current = || contexts.into_iter().find(|context| context.is_current).map(|context| context.id);
        chosen.or_else(current).ok_or_else(|| {
            Error::lasting(
                ErrorKind::NotFound,
                "No cluster is chosen. Choose a context, or add a kubeconfig file first.",
            )
        })
    }

    /// Connect to the [`selected`](Self::selected) context.
    pub async fn connect(&self) -> Result<Cluster> {
        self.connect_to(&self.selected()?).await
    }

    /// Choose the k3d cluster `name`, whose kubeconfig a deploy has written to `file` in case that k3d wrote none.
    pub fn choose_k3d(&self, name: &str, file: &Path) -> Result<Contexts> {
        let known = |contexts: Contexts| {
            let mut contexts = contexts.contexts.into_iter();
            contexts.find(|context| context.k3d_cluster.as_deref() == Some(name)).map(|context| context.id)
        };
        let id = match known(self.list()?) {
            Some(id) => Some(id),
            None => known(self.add(file)?),
        };
        self.choose(id)
    }

    pub async fn connect_to(&self, id: &ContextId) -> Result<Cluster> {
        let access = self.find(id)?;
        Cluster::open(id.name.clone(), access, &self.consent).await
    }

    fn find(&self, id: &ContextId) -> Result<Access> {
        let (files, _) = self.read(&self.remembered()?);
        let found = files.iter().find(|(file, _)| file.path.display().to_string() == id.file);
        let (file, others) = found.filter(|(file, _)| file.context(&id.name).is_some()).ok_or_else(|| {
            let message = format!("There is no context {} in {} any more. Choose another one.", id.name, id.file);
            Error::lasting(ErrorKind::NotFound, message)
        })?;
        Ok(access(file, others, &id.name))
    }

    /// Every readable file with those that complete it, and what is wrong with the others.
    fn read(&self, remembered: &Remembered) -> (Vec<(KubeconfigFile, Vec<KubeconfigFile>)>, Vec<FileProblem>) {
        let mut problems = Vec::new();
        let mut read = |path: &PathBuf| match KubeconfigFile::read(path) {
            Ok(file) => Some(file),
            Err(error) => {
                problems.push(FileProblem { file: path.display().to_string(), message: error.message });
                None
            }
        };
        // Like kubectl, pass over files that KUBECONFIG names and that are not there.
        let merged: Vec<_> = self.files.iter().filter(|path| path.exists()).filter_map(&mut read).collect();
        let added: Vec<_> = remembered.added.iter().filter_map(&mut read).collect();
        let mut files: Vec<_> = merged.iter().map(|file| (file.clone(), merged.clone())).collect();
        files.extend(added.into_iter().map(|file| (file, Vec::new())));
        (files, problems)
    }

    fn describe(&self, id: ContextId, is_current: bool, access: Access) -> Context {
        let exec = access.exec.map(|plugin| ExecPlugin { trusted: self.consent.trusts(&plugin), ..plugin });
        Context {
            k3d_cluster: id.name.strip_prefix("k3d-").and_then(|name| name.parse().ok()),
            id,
            cluster: access.cluster_name,
            user: access.user_name,
            namespace: access.namespace,
            server: access.server,
            is_current,
            is_local: access.is_local,
            exec,
            problem: access.problem,
        }
    }

    fn remembered(&self) -> Result<Remembered> {
        Ok(state_file::read(&self.remembered)?.unwrap_or_default())
    }
}
