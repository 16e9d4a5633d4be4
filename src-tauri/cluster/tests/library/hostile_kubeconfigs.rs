//! A kubeconfig may come from a stranger: it runs nothing, sends nothing that is not meant for it, and always ends in a
//! sentence.

use std::{fs, time::Instant};

use flotilla_cluster::ErrorKind;

use crate::support::{Kubeconfig, calls, program};

const FAR: &str = "server: https://cluster.example.org:6443";

#[tokio::test]
async fn an_exec_plugin_is_shown_and_not_run() {
    let config = Kubeconfig::new("");
    let plugin = program(config.folder.path(), "plugin", "echo '{}'");
    let user = format!(
        "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: {}\n  args: [get-token]\n  env: [{{name: A, value: b}}]",
        plugin.display()
    );
    let config = Kubeconfig::with(FAR, &user);

    let exec = config.context().exec.unwrap();
    let refusal = config.refusal().await;

    assert_eq!((exec.arguments, exec.environment, exec.trusted), (vec!["get-token".into()], vec!["A=b".into()], false));
    assert_eq!(refusal.kind, ErrorKind::NeedsConsent);
    assert!(refusal.message.contains("get-token"), "{refusal}");
    assert!(calls(&plugin).is_empty());
}

#[tokio::test]
async fn a_trusted_exec_plugin_signs_in() {
    let config = Kubeconfig::new("");
    let answer =
        r#"echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}'"#;
    let plugin = program(config.folder.path(), "plugin", answer);
    let user = format!(
        "exec:\n  apiVersion: client.authentication.k8s.io/v1\n  command: {}\n  args: [get-token]",
        plugin.display()
    );
    let config = Kubeconfig::with(FAR, &user);
    let context = config.context();

    config.store().trust(&context.id, &context.exec.unwrap().fingerprint).unwrap();
    config.store().connect().await.unwrap();

    let calls = calls(&plugin);
    assert!(!calls.is_empty() && calls.iter().all(|call| call == "get-token"), "{calls:?}");
    assert!(config.context().exec.unwrap().trusted);
}

#[tokio::test]
async fn trust_in_one_command_is_none_in_another() {
    let config = Kubeconfig::with(FAR, "exec: {command: aws, args: [eks, get-token], apiVersion: v1}");
    let context = config.context();
    let fingerprint = context.exec.unwrap().fingerprint;
    config.store().trust(&context.id, &fingerprint).unwrap();

    let changed = fs::read_to_string(&config.file).unwrap().replace("get-token", "get-secret");
    fs::write(&config.file, changed).unwrap();

    assert!(!config.context().exec.unwrap().trusted);
    assert_eq!(config.refusal().await.kind, ErrorKind::NeedsConsent);
    assert_eq!(config.store().trust(&context.id, &fingerprint).unwrap_err().kind, ErrorKind::NeedsConsent);
}

#[tokio::test]
async fn the_command_of_a_legacy_provider_is_not_run_either() {
    let config = Kubeconfig::new("");
    let plugin = program(config.folder.path(), "gcloud", "echo '{}'");
    let user =
        format!("auth-provider: {{name: gcp, config: {{cmd-path: {}, cmd-args: config helper}}}}", plugin.display());
    let config = Kubeconfig::with(FAR, &user);

    assert_eq!(config.context().exec.unwrap().arguments, ["config", "helper"]);
    assert_eq!(config.refusal().await.kind, ErrorKind::NeedsConsent);
    assert!(calls(&plugin).is_empty());
}

#[tokio::test]
async fn a_removed_provider_says_what_to_do() {
    let config = Kubeconfig::with(FAR, "auth-provider: {name: azure, config: {}}");
    assert_says(&config, "Make the kubeconfig anew").await;
}

#[tokio::test]
async fn a_relative_plugin_is_meant_from_the_file_and_a_bare_name_is_left_alone() {
    let relative = Kubeconfig::with(FAR, "exec: {command: ./tools/login, apiVersion: v1}");
    let folder = relative.file.parent().unwrap();
    assert!(relative.context().exec.unwrap().command.starts_with(folder.to_str().unwrap()));

    let bare = Kubeconfig::with(FAR, "exec: {command: aws, apiVersion: v1}");
    assert_eq!(bare.context().exec.unwrap().command, "aws");
}

#[tokio::test]
async fn a_plugin_that_wants_a_terminal_is_refused() {
    let config = Kubeconfig::with(FAR, "exec: {command: aws, apiVersion: v1, interactiveMode: Always}");
    assert_says(&config, "wants a terminal").await;
}

#[tokio::test]
async fn a_token_file_elsewhere_is_not_sent() {
    assert_says(&Kubeconfig::with(FAR, "tokenFile: /etc/passwd"), "is not sent to https://cluster.example.org:6443")
        .await;
}

#[tokio::test]
async fn a_token_file_beside_that_leads_elsewhere_is_not_sent() {
    let config = Kubeconfig::with(FAR, "tokenFile: token");
    std::os::unix::fs::symlink("/etc/passwd", config.file.with_file_name("token")).unwrap();
    assert_says(&config, "outside of the kubeconfig's folder").await;

    assert_says(&Kubeconfig::with(FAR, "tokenFile: ../../../../../etc/passwd"), "outside of the kubeconfig's folder")
        .await;
}

#[tokio::test]
async fn a_private_key_beside_is_no_token_and_is_not_sent() {
    let config = Kubeconfig::with(FAR, "tokenFile: id");
    config.put("kube/id", "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n");
    assert_says(&config, "does not hold a token on one line").await;
}

#[tokio::test]
async fn a_token_file_beside_with_a_token_is_used() {
    let config = Kubeconfig::with(FAR, "tokenFile: token");
    config.put("kube/token", "eyJhbGciOi.abc.def\n");
    assert_eq!(config.context().problem, None);
    config.store().connect().await.unwrap();
}

#[tokio::test]
async fn a_missing_token_file_is_named() {
    assert_says(&Kubeconfig::with(FAR, "tokenFile: token"), "kube/token cannot be read").await;
}

#[tokio::test]
async fn relative_certificates_are_meant_from_the_file() {
    let config = Kubeconfig::with("server: https://cluster.example.org\ncertificate-authority: pki/ca.crt", "token: t");
    assert_says(&config, "kube/pki/ca.crt cannot be read").await;
}

#[tokio::test]
async fn a_device_is_no_certificate() {
    assert_says(
        &Kubeconfig::with("server: https://c.example.org\ncertificate-authority: /dev/zero", "token: t"),
        "is not a certificate",
    )
    .await;
    assert_says(&Kubeconfig::with(FAR, "client-certificate: /dev/zero\nclient-key: /dev/zero"), "is not a certificate")
        .await;
}

#[tokio::test]
async fn unchecked_certificates_are_refused_off_this_machine() {
    assert_says(&Kubeconfig::with(&format!("{FAR}\ninsecure-skip-tls-verify: true"), "token: t"), "anyone on the way")
        .await;
}

#[tokio::test]
async fn unchecked_certificates_are_accepted_on_this_machine() {
    let config = Kubeconfig::with("server: https://127.0.0.1:6443\ninsecure-skip-tls-verify: true", "token: t");
    let context = config.context();
    assert_eq!((context.problem, context.is_local), (None, true));
}

#[tokio::test]
async fn credentials_do_not_travel_in_the_open() {
    assert_says(&Kubeconfig::with("server: http://cluster.example.org", "token: t"), "not encrypted").await;
}

#[tokio::test]
async fn a_name_that_only_looks_local_is_not() {
    for server in ["http://127.0.0.1.example.org", "http://localhost.example.org", "http://127.0.0.1@example.org"] {
        assert!(!Kubeconfig::with(&format!("server: {server}"), "token: t").context().is_local, "{server}");
    }
}

#[tokio::test]
async fn a_strange_proxy_is_named() {
    assert_says(&Kubeconfig::with(&format!("{FAR}\nproxy-url: file:///etc/passwd"), "token: t"), "proxy-url").await;
    assert_says(&Kubeconfig::with(&format!("{FAR}\nproxy-url: socks5://proxy:1080"), "token: t"), "proxy-url").await;
}

#[tokio::test]
async fn an_http_proxy_is_used() {
    let config = Kubeconfig::with(&format!("{FAR}\nproxy-url: http://127.0.0.1:9"), "token: t");
    assert_eq!(config.context().problem, None);
}

#[tokio::test]
async fn a_server_that_is_no_address_is_named() {
    for server in ["", "cluster", "ftp://cluster.example.org", "unix:///var/run/docker.sock"] {
        assert_says(&Kubeconfig::with(&format!("server: {server:?}"), "token: t"), "is not an http or https address")
            .await;
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_described_is_named() {
    let config = Kubeconfig::new("contexts: [{name: it, context: {cluster: gone, user: u}}]\ncurrent-context: it");
    assert_says(&config, "Its cluster gone is not described").await;
}

#[tokio::test]
async fn impersonation_is_inert_here_and_the_clusters_to_judge() {
    let config = Kubeconfig::with(FAR, "token: t\nas: system:admin\nas-groups: ['system:masters']");
    assert_eq!(config.context().problem, None);
}

#[test]
fn ten_megabytes_are_not_read() {
    assert_file_says(&format!("contexts: [{{name: {}}}]", "x".repeat(10_000_000)), "is larger than 1 MB");
}

#[test]
fn a_yaml_bomb_ends_at_once() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let before = format!("*a{},", level - 1).repeat(9);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(',')));
    }
    let started = Instant::now();
    assert_file_says(&bomb, "is not a kubeconfig");
    assert!(started.elapsed().as_secs() < 10, "it took {:?}", started.elapsed());
}

#[test]
fn endless_nesting_ends_at_once() {
    assert_file_says(&format!("contexts: {}", "[".repeat(200_000)), "is not a kubeconfig");
}

#[test]
fn what_is_no_kubeconfig_is_said_to_be_none() {
    assert_file_says("hello", "is not a kubeconfig");
    assert_file_says("contexts: 7", "is not a kubeconfig");
    assert_file_says("", "names no cluster");
    assert_file_says("kind: Pod\nmetadata: {name: a}", "names no cluster");
}

#[test]
fn bytes_that_are_no_text_are_said_to_be_none() {
    let config = Kubeconfig::new("");
    fs::write(&config.file, [0xff, 0x00, 0xfe]).unwrap();
    assert!(config.store().list().unwrap().problems[0].message.contains("is not text"));
}

#[test]
fn a_folder_and_a_pipe_are_no_files() {
    let config = Kubeconfig::new("");
    assert!(config.store().add(config.folder.path()).unwrap_err().message.contains("is not a file"));
    let pipe = config.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(config.store().add(&pipe).unwrap_err().message.contains("is not a file"));
}

async fn assert_says(config: &Kubeconfig, words: &str) {
    let shown = config.context().problem.unwrap_or_default();
    assert!(shown.contains(words), "{words:?} is not in {shown:?}");
    let refusal = config.refusal().await;
    assert_eq!(refusal.kind, ErrorKind::Kubeconfig);
    assert!(refusal.message.contains(words), "{words:?} is not in {refusal}");
}

fn assert_file_says(text: &str, words: &str) {
    let problems = Kubeconfig::new(text).store().list().unwrap().problems;
    assert!(problems.len() == 1 && problems[0].message.contains(words), "{words:?} is not in {problems:?}");
}
