//! The one window, and the walls around the page in it.

use tauri::{
    AppHandle, Manager, Url,
    webview::{NewWindowResponse, PageLoadEvent, WebviewWindowBuilder},
};

use crate::fleet::Fleet;

const MAIN: &str = "main";

/// Open the window as `tauri.conf.json` describes it. The page can neither leave the app nor open windows or downloads.
pub fn open(app: &AppHandle) -> tauri::Result<()> {
    let config = app.config().app.windows.iter().find(|window| window.label == MAIN);
    let config = config.ok_or(tauri::Error::WindowNotFound)?;
    WebviewWindowBuilder::from_config(app, config)?
        .on_navigation(is_own_page)
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_download(|_, _| false)
        .on_page_load(|window, load| {
            if load.event() == PageLoadEvent::Started {
                window.state::<Fleet>().subscriptions.stop_all();
            }
        })
        .build()?;
    Ok(())
}

/// For a second start: the user wanted this window.
pub fn bring_to_front(app: &AppHandle) {
    let Some(window) = app.get_webview_window(MAIN) else { return };
    let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the window cannot be brought to the front");
    }
}

/// WebView2 has no schemes of its own, so the page is at an `http` address on Windows.
fn is_own_page(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" => cfg!(windows) && url.host_str() == Some("tauri.localhost"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_apps_own_pages_may_be_opened() {
        let opens = |url: &str| is_own_page(&url.parse().unwrap());
        assert!(opens("tauri://localhost/c/0199"));
        for url in [
            "https://example.org/",
            "http://localhost/",
            "http://127.0.0.1:8000/",
            "tauri://example.org/",
            "https://tauri.localhost.example.org/",
            "file:///etc/passwd",
            "data:text/html,hello",
            "javascript:alert(1)",
            "about:blank",
        ] {
            assert!(!opens(url), "{url} was opened");
        }
    }
}
