//! Kubeconfigs and stand-in programs for the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use flotilla_cluster::{Context, ContextStore, Error};

/// A folder with one kubeconfig in it.
pub struct Kubeconfig {
    pub folder: tempfile::TempDir,
    pub file: PathBuf,
}

impl Kubeconfig {
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("kube")).unwrap();
        let file = folder.path().join("kube/config");
        fs::write(&file, text).unwrap();
        Self { folder, file }
    }

    /// With the context `it`, whose cluster and user hold these lines.
    pub fn with(cluster: &str, user: &str) -> Self {
        Self::new(&format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: it\n\
             contexts: [{{name: it, context: {{cluster: c, user: u}}}}]\n\
             clusters:\n- name: c\n  cluster:\n{}\nusers:\n- name: u\n  user:\n{}\n",
            indented(cluster),
            indented(user)
        ))
    }

    pub fn store(&self) -> ContextStore {
        ContextStore::new(vec![self.file.clone()], &self.folder.path().join("state"))
    }

    /// Its one context as it is shown.
    pub fn context(&self) -> Context {
        self.store().list().unwrap().contexts.remove(0)
    }

    /// Why it cannot be connected to.
    pub async fn refusal(&self) -> Error {
        self.store().connect().await.err().expect("the connection is refused")
    }

    pub fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }
}

/// A program that notes its arguments, a call a line, and then does `body`.
pub fn program(folder: &Path, name: &str, body: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    let (text, calls) = (folder.join(format!("{name}.text")), folder.join(format!("{name}.calls")));
    fs::write(&text, format!("#!/bin/sh\necho \"$*\" >> '{}'\n{body}\n", calls.display())).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    // Were it written here, a program that another test starts meanwhile could inherit the open file, and Linux runs no
    // file that is open for writing.
    assert!(Command::new("cp").arg("--remove-destination").args([&text, &path]).status().unwrap().success());
    path
}

/// How the program was called so far.
pub fn calls(program: &Path) -> Vec<String> {
    let calls = program.with_file_name(format!("{}.calls", program.file_name().unwrap().to_string_lossy()));
    fs::read_to_string(calls).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("    {line}\n")).collect()
}
