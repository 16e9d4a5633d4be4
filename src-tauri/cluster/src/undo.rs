//! Going back to what was deployed before the last deploy.

use std::path::Path;

use crate::{
    Change, Cluster, Error, ErrorKind, Result, apply,
    plan::record::{Applied, History},
};

/// What undoing would change, and change nothing.
pub async fn preview(cluster: &Cluster, state_folder: &Path) -> Result<Vec<Change>> {
    let (before, last) = last_two(cluster, state_folder).await?;
    apply::changes(cluster, &before.manifests, Some(&last.manifests)).await
}

/// Apply the deploy before the last one again. Fields that somebody else has taken meanwhile are left to them.
pub async fn run(cluster: &Cluster, state_folder: &Path) -> Result<()> {
    let (before, last) = last_two(cluster, state_folder).await?;
    let conflicts = apply::apply_all(cluster, &before.manifests, Some(&last.manifests), &[], &|_| {}).await?;
    if !conflicts.is_empty() {
        let whose: Vec<_> = conflicts
            .iter()
            .map(|change| {
                format!("{} {}: {}", change.kind, change.name, change.conflict.as_deref().unwrap_or_default())
            })
            .collect();
        let message = format!(
            "Everything was put back but for what others own by now ({}). Change that by hand, then undo again.",
            whose.join("; ")
        );
        return Err(Error::passing(ErrorKind::Conflict, message));
    }
    History::of(cluster, state_folder).await?.pop()
}

async fn last_two(cluster: &Cluster, state_folder: &Path) -> Result<(Applied, Applied)> {
    let mut history = History::of(cluster, state_folder).await?.read()?;
    match (history.pop(), history.pop()) {
        (Some(last), Some(before)) => Ok((before, last)),
        (Some(_), None) => Err(Error::lasting(
            ErrorKind::NotFound,
            "Only one deploy is known here, so there is nothing to go back to. Remove it with a teardown instead.",
        )),
        _ => Err(Error::lasting(
            ErrorKind::NotFound,
            "No deploy from this computer is known here, so nothing can be undone.",
        )),
    }
}
