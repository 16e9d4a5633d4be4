//! Which contexts there are to choose from, and which one is chosen.

use std::fs;

use flotilla_cluster::{ContextStore, ErrorKind};

use crate::support::Kubeconfig;

#[test]
fn the_files_of_kubeconfig_complete_each_other() {
    let here = tempfile::tempdir().unwrap();
    let (first, second) = (here.path().join("first"), here.path().join("second"));
    fs::write(&first, "contexts: [{name: a, context: {cluster: c, user: u}}]").unwrap();
    fs::write(&second, "current-context: a\nclusters: [{name: c, cluster: {server: 'https://c.example.org'}}]\nusers: [{name: u, user: {token: t}}]").unwrap();
    let store = ContextStore::new(vec![first, here.path().join("missing"), second], here.path());

    let listed = store.list().unwrap();

    assert_eq!(listed.contexts.len(), 1);
    let context = &listed.contexts[0];
    assert_eq!((context.server.as_str(), &context.problem, context.is_current), ("https://c.example.org", &None, true));
    assert!(listed.problems.is_empty(), "{:?}", listed.problems);
}

#[test]
fn a_context_of_k3d_is_recognised_and_local() {
    let config = Kubeconfig::new(
        "current-context: k3d-flotilla\ncontexts: [{name: k3d-flotilla, context: {cluster: c, user: u}}]\n\
         clusters: [{name: c, cluster: {server: 'https://0.0.0.0:36443'}}]\nusers: [{name: u, user: {token: t}}]",
    );
    let context = config.context();
    assert_eq!((context.k3d_cluster.as_deref(), context.is_local), (Some("flotilla"), true));
}

#[test]
fn a_context_that_only_looks_like_one_of_k3d_names_no_cluster_of_it() {
    let config = Kubeconfig::new(
        "contexts: [{name: k3d---all, context: {cluster: c, user: u}}]\n\
         clusters: [{name: c, cluster: {server: 'https://0.0.0.0:36443'}}]\nusers: [{name: u, user: {token: t}}]",
    );
    assert_eq!(config.context().k3d_cluster, None);
}

#[test]
fn a_choice_is_remembered_and_can_be_taken_back() {
    let config = Kubeconfig::with("server: https://c.example.org", "token: t");
    let id = config.context().id;

    config.store().choose(Some(id.clone())).unwrap();
    assert_eq!(config.store().list().unwrap().chosen, Some(id));

    config.store().choose(None).unwrap();
    assert_eq!(config.store().list().unwrap().chosen, None);
}

#[test]
fn a_picked_file_is_remembered() {
    let config = Kubeconfig::with("server: https://c.example.org", "token: t");
    let store = ContextStore::new(Vec::new(), &config.folder.path().join("state"));

    store.add(&config.file).unwrap();

    assert_eq!(store.list().unwrap().contexts[0].id.name, "it");
}

#[test]
fn a_picked_file_that_went_away_is_a_problem_and_not_the_end() {
    let config = Kubeconfig::with("server: https://c.example.org", "token: t");
    let store = ContextStore::new(Vec::new(), &config.folder.path().join("state"));
    store.add(&config.file).unwrap();
    store.choose(Some(config.context().id)).unwrap();

    fs::remove_file(&config.file).unwrap();

    let listed = store.list().unwrap();
    assert_eq!((listed.contexts.len(), listed.chosen, listed.problems.len()), (0, None, 1));
    assert!(listed.problems[0].message.contains("cannot be read"), "{:?}", listed.problems);
}

#[tokio::test]
async fn connecting_without_any_context_says_to_choose_one() {
    let here = tempfile::tempdir().unwrap();
    let error = ContextStore::new(Vec::new(), here.path()).connect().await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.contains("Choose a context"), "{error}");
}
