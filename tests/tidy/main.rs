//! What no compiler checks: the README tells every setting, each crate keeps to what it may know, and the manifests agree
//! with the server and with each other.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod manifests;

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use clap::Args;

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let readme = read("README.md");
    let expected = settings_table();
    let table = between(&readme, "<!-- settings -->\n", "<!-- /settings -->");
    assert!(
        table == Some(&expected),
        "README.md: between <!-- settings --> and <!-- /settings --> must stand\n\n{expected}"
    );
}

#[test]
fn only_the_platform_folder_knows_tauri() {
    assert_only_in("@tauri-apps", &["src-ui/src/platform/"], files("src-ui/src"));
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for word in ["env::var", "#[arg(long, env"] {
        let sources = [files("server/src"), files("server/engine/src")].concat();
        assert_only_in(word, &["server/src/config.rs"], sources);
    }
}

/// A clone is built with whatever registries its machine is set up for.
#[test]
fn no_file_names_a_registry_host() {
    // In pieces, or this file would name them.
    let hosts = [["registry.npmjs", "org"], ["pythonhosted", "org"], ["static.crates", "io"], ["deb.debian", "org"]];
    for host in hosts.map(|pieces| pieces.join(".")) {
        assert_only_in(&host, &[], files("."));
    }
}

/// The rows as the README must have them: what `flotilla serve --help` says, one setting a row.
fn settings_table() -> String {
    let command = flotilla::Config::augment_args(clap::Command::new("flotilla"));
    let rows = command.get_arguments().map(|setting| {
        let name = setting.get_env().expect("a setting is an environment variable too").to_string_lossy();
        let defaults: Vec<_> = setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if defaults.is_empty() { String::new() } else { format!("`{}` ", defaults.join(",")) };
        let help = setting.get_help().expect("a setting has a sentence").to_string();
        // clap cuts the full stop of a one-paragraph help text.
        format!("| `{name}` | {default}| {}. |\n", help.trim_end_matches('.').replace('|', "\\|"))
    });
    format!("| Setting | Default | What it sets |\n| --- | --- | --- |\n{}", rows.collect::<String>())
}

fn assert_only_in(text: &str, allowed: &[&str], files: Vec<String>) {
    assert!(!files.is_empty(), "there is nothing to look through");
    let elsewhere: BTreeSet<_> = files
        .into_iter()
        .filter(|path| !allowed.iter().any(|place| path.starts_with(place)))
        .filter(|path| fs::read(root().join(path)).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text)))
        .collect();
    assert!(elsewhere.is_empty(), "{text} stands outside of {allowed:?}: {elsewhere:?}");
}

/// What is committed under `folder` or would be, by its path from the repository's root.
fn files(folder: &str) -> Vec<String> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "--", folder];
    let listing = Command::new("git").args(arguments).current_dir(root()).output().unwrap();
    String::from_utf8(listing.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn between<'text>(text: &'text str, start: &str, end: &str) -> Option<&'text str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}
