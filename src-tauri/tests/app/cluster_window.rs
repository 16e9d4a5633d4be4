//! The real window deploys to the real cluster that KUBECONFIG names, whose nodes have the images and whose ingress answers
//! at CLUSTER_URL. The namespace must be empty before, and stays as it is afterwards.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

#[expect(dead_code, reason = "the window's other tests use the rest of it")]
mod support;

use std::{env, fs, path::Path, time::Duration};

use fantoccini::{Locator, key::Key};
use support::{App, Home};
use tokio::process::Command;

/// A volume, three images and a model are brought up meanwhile.
const DEPLOY_LIMIT: Duration = Duration::from_secs(300);

#[tokio::test]
async fn a_few_clicks_deploy_to_an_empty_cluster_and_the_panel_shows_what_runs() {
    let kubeconfig = env::var("KUBECONFIG").expect("KUBECONFIG names a cluster");
    let url = env::var("CLUSTER_URL").unwrap_or_else(|_| "http://127.0.0.1".to_owned());
    let home = Home::new();
    let app = home.open_with(&[("KUBECONFIG", &kubeconfig)]).await;
    app.page.goto("tauri://localhost/cluster").await.unwrap();

    click(&app, "//button[contains(., 'No cluster chosen')]").await;
    click(&app, "//button[starts-with(@aria-label, 'Choose ')]").await;
    click(&app, "(//*[@role='radiogroup'])[1]/*[@role='radio'][2][not(@data-disabled)]").await;
    click(&app, "//*[@role='radio'][contains(., 'Already there')]").await;
    let address = app.element("input[inputmode=url]").await;
    address.send_keys(&format!("{}a{}{url}", char::from(Key::Control), char::from(Key::Control))).await.unwrap();
    picture(&app, "deploy-form").await;
    click(&app, "//button[@type='submit'][contains(., 'Deploy')]").await;
    click(&app, "//*[@aria-label='Consent']//button[normalize-space()='Apply']").await;
    picture(&app, "deploying").await;
    // The panel turns to what runs when the deploy is done.
    let answers = app.page.wait().at_most(DEPLOY_LIMIT).for_element(Locator::XPath("//*[normalize-space()='answers']"));
    answers.await.unwrap();
    app.shows(&url).await;
    app.shows("2 of 2 ready").await;
    picture(&app, "overview").await;
    app.page.goto("tauri://localhost/cluster?view=pods").await.unwrap();
    app.shows("postgres-0").await;
    picture(&app, "pods").await;
}

/// The load, and whether an answer was cut, is of `scripts/scaling.py`.
#[tokio::test]
async fn the_chart_shows_the_replicas_come_under_load_and_go_when_it_ends() {
    let kubeconfig = env::var("KUBECONFIG").expect("KUBECONFIG names a cluster");
    let url = env::var("CLUSTER_URL").unwrap_or_else(|_| "http://127.0.0.1".to_owned());
    let home = Home::new();
    let app = home.open_with(&[("KUBECONFIG", &kubeconfig)]).await;
    app.page.goto("tauri://localhost/cluster").await.unwrap();
    click(&app, "//button[contains(., 'No cluster chosen')]").await;
    click(&app, "//button[starts-with(@aria-label, 'Choose ')]").await;
    app.shows("2 of 2 ready").await;

    let script = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../scripts/scaling.py");
    let scaling = Command::new("python3").arg(script).arg(url).status().await.unwrap();
    picture(&app, "scaling").await;

    assert!(scaling.success());
    click(&app, "//*[@role='radio' or @role='tab' or self::button][normalize-space()='Table']").await;
    let current = "//table[caption[contains(., 'Replicas')]]//tr/td[2]";
    let current = app.page.find_all(Locator::XPath(current)).await.unwrap();
    let mut replicas = Vec::new();
    for cell in current {
        replicas.push(cell.text().await.unwrap());
    }
    // The newest row is the first one.
    replicas.reverse();
    replicas.dedup();
    let (two, four) = ("2".to_owned(), "4".to_owned());
    let most = replicas.iter().position(|count| *count == four).unwrap_or_else(|| panic!("{replicas:?}"));
    assert!(replicas[..most].contains(&two) && replicas.last() == Some(&two), "{replicas:?}");
}

async fn click(app: &App, path: &str) {
    let element = app.page.wait().at_most(DEPLOY_LIMIT).for_element(Locator::XPath(path)).await;
    element.unwrap_or_else(|error| panic!("{path} is not in the page: {error}")).click().await.unwrap();
}

/// Into the folder that PICTURES names, when someone wants to look at them.
async fn picture(app: &App, name: &str) {
    if let Ok(folder) = env::var("PICTURES") {
        fs::write(Path::new(&folder).join(format!("{name}.png")), app.page.screenshot().await.unwrap()).unwrap();
    }
}
