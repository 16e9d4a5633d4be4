use std::fs::File;

use crate::support::{Home, processes};

#[tokio::test]
async fn a_database_in_use_is_explained_in_the_window() {
    let home = Home::new();
    let other = File::create(home.data_dir().join("flotilla.lock")).unwrap();
    other.try_lock().unwrap();
    let app = home.open().await;
    app.shows("Another Flotilla uses").await;

    drop(other);
    app.page.refresh().await.unwrap();
    app.shows("Your chats will be listed here").await;
}

#[tokio::test]
async fn a_wrong_setting_is_explained_in_the_window() {
    let home = Home::new();
    let app = home.open_with(&[("SLOTS", "none")]).await;
    app.shows("SLOTS").await;
}

#[tokio::test]
async fn the_window_opens_as_large_as_it_was_left() {
    let home = Home::new();
    let app = home.open().await;
    app.page.set_window_size(900, 650).await.unwrap();
    app.holds("return window.innerWidth === 900").await;
    let processes = app.processes();
    app.close_window();
    assert!(processes::are_gone(&processes).await);
    drop(app);

    let again = home.open().await;
    again.holds("return window.innerWidth === 900").await;
}
