//! What Linux says about processes.

use std::{fs, process::Command};

use super::eventually;

/// A process, its children, and theirs.
pub fn tree(root: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = all().into_iter().filter_map(|id| Some((id, parent(id)?))).collect();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&id) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, parent)| *parent == id).map(|(child, _)| child));
        next += 1;
    }
    tree
}

/// The command line of a process; nothing once it has ended.
pub fn arguments(id: u32) -> Vec<String> {
    let line = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    line.split_terminator('\0').map(str::to_owned).collect()
}

/// Wait until none of the processes runs.
pub async fn are_gone(processes: &[u32]) -> bool {
    eventually(async || !processes.iter().any(|id| runs(*id))).await
}

/// As `kill -9` does.
pub fn kill(id: u32) {
    signal("KILL", id);
}

/// As a session that ends does.
pub fn terminate(id: u32) {
    signal("TERM", id);
}

fn signal(name: &str, id: u32) {
    if runs(id) {
        Command::new("kill").args(["-s", name, &id.to_string()]).status().unwrap();
    }
}

fn runs(id: u32) -> bool {
    // Nothing follows the state of a process but numbers; before it stands a name with any characters.
    status(id).is_some_and(|status| !matches!(status.first().map(String::as_str), Some("Z" | "X")))
}

fn parent(id: u32) -> Option<u32> {
    status(id)?.get(1)?.parse().ok()
}

fn status(id: u32) -> Option<Vec<String>> {
    let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}

fn all() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}
