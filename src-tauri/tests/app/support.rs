//! An app of one's own: folders, session bus and WebDriver that no other test shares.

mod bus;
mod driver;
pub mod processes;
mod window;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fantoccini::{Client, Locator, elements::Element, key::Key};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::{bus::SessionBus, driver::Driver};

const PROGRAM: &str = env!("CARGO_BIN_EXE_flotilla-desktop");
/// Longest wait for something that is bound to happen, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A user's folders and session, which outlive the app.
pub struct Home {
    folder: TempDir,
    bus: SessionBus,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["bin", "data", "run", "models/smollm2"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        // As it was fetched, without the weights that `flotilla optimize` may have put beside it.
        symlink(starter_model(), folder.path().join("models/smollm2/135m.gguf")).unwrap();
        Self { bus: SessionBus::start(), folder }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Start the app and wait for its window.
    pub async fn open(&self) -> App {
        self.open_with(&[]).await
    }

    /// The same with more settings in the environment.
    pub async fn open_with(&self, settings: &[(&str, &str)]) -> App {
        let mut driver = Command::new("WebKitWebDriver");
        self.prepare(&mut driver).envs(settings.iter().copied()).env("TAURI_WEBVIEW_AUTOMATION", "true");
        let driver = Driver::start(driver);
        let page = driver.open(PROGRAM).await;
        App { id: driver.app(PROGRAM), page, _driver: driver }
    }

    /// The app as a second start would be: without WebDriver.
    pub fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        self.prepare(&mut command);
        command
    }

    /// From here on, the program that opens links writes them into the returned file.
    pub fn record_opened_links(&self) -> PathBuf {
        let (program, links) = (self.folder.path().join("bin/xdg-open"), self.folder.path().join("links"));
        fs::write(&program, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\n", links.display())).unwrap();
        Command::new("chmod").arg("+x").arg(program).status().unwrap();
        links
    }

    fn prepare<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        assert!(
            std::env::var_os("DISPLAY").is_some(),
            "no display: run the tests as `xvfb-run -a cargo test -p desktop`"
        );
        let folder = self.folder.path();
        let path = std::env::var("PATH").unwrap();
        command
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("DATA_DIR", self.data_dir())
            .env("MODELS_DIR", folder.join("models"))
            // Other tests' models compute at the same time.
            .env("THREADS", "1")
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .env("XDG_CONFIG_HOME", folder.join("config"))
            .env("XDG_DATA_HOME", folder.join("share"))
            .env("XDG_RUNTIME_DIR", folder.join("run"))
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus.address())
            .env("NO_AT_BRIDGE", "1")
    }
}

/// A running app and the page in its window.
pub struct App {
    pub page: Client,
    pub id: u32,
    /// Ends the app when the test is over.
    _driver: Driver,
}

/// What the page is told by the command `connection`.
#[derive(serde::Deserialize)]
pub struct Connection {
    pub base_url: String,
    pub token: String,
    pub server: Option<String>,
}

impl App {
    /// Call a command of the shell, as the page does.
    pub async fn invoke(&self, command: &str, arguments: Value) -> Result<Value, Value> {
        let script = "const [command, args, done] = arguments;
            window.__TAURI_INTERNALS__.invoke(command, args).then(
                (value) => done({ Ok: value ?? null }), (error) => done({ Err: error }));";
        let result = self.page.execute_async(script, vec![json!(command), arguments]).await.unwrap();
        serde_json::from_value(result).unwrap()
    }

    pub async fn connection(&self) -> Connection {
        serde_json::from_value(self.invoke("connection", json!({})).await.unwrap()).unwrap()
    }

    /// Call the server behind the window.
    pub async fn request(&self, method: Method, path: &str, body: Value) -> Value {
        let Connection { base_url, token, .. } = self.connection().await;
        let request = reqwest::Client::new().request(method, format!("{base_url}{path}")).bearer_auth(token);
        let answer = request.json(&body).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// Show a new chat whose answers are this many tokens long at most.
    pub async fn chat_with(&self, max_tokens: u32) {
        let settings = json!({ "title": "A chat", "parameters": { "max_tokens": max_tokens } });
        let chat = self.request(Method::POST, "/api/conversations", settings).await;
        self.page.goto(&format!("tauri://localhost/c/{}", chat["id"].as_str().unwrap())).await.unwrap();
    }

    /// What the server behind the window keeps of the chat on screen.
    pub async fn stored_messages(&self) -> Vec<Value> {
        let url = self.page.current_url().await.unwrap();
        let chat = url.path().strip_prefix("/c/").expect("no chat is on screen");
        let stored = self.request(Method::GET, &format!("/api/conversations/{chat}"), Value::Null).await;
        stored["messages"].as_array().unwrap().clone()
    }

    /// Write into the message field and press Enter.
    pub async fn send(&self, text: &str) {
        self.element("textarea[data-composer]")
            .await
            .send_keys(&format!("{text}{}", char::from(Key::Enter)))
            .await
            .unwrap();
    }

    pub async fn element(&self, css: &str) -> Element {
        self.page.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await.unwrap_or_else(|error| {
            panic!("{css} is not in the page: {error}");
        })
    }

    /// The text of the last answer on screen.
    pub async fn answer(&self) -> String {
        let script =
            "return [...document.querySelectorAll('article[data-role=assistant] .markdown')].at(-1)?.textContent ?? ''";
        self.page.execute(script, vec![]).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Wait until an answer is on screen and nothing is added to it any more.
    pub async fn answered(&self) -> String {
        let script = "return document.querySelector('article[data-role=assistant] .markdown') !== null
            && document.querySelector('[data-testid=generating]') === null";
        self.holds(script).await;
        self.answer().await
    }

    /// Wait until a script that runs in the page returns true.
    pub async fn holds(&self, script: &str) {
        let is_true = async || self.page.execute(script, vec![]).await.unwrap() == true;
        if !eventually(is_true).await {
            panic!("this stayed false: {script}\nThe page says: {}", self.text().await);
        }
    }

    /// Wait until the page shows `text`.
    pub async fn shows(&self, text: &str) {
        if !eventually(async || self.text().await.contains(text)).await {
            panic!("{text:?} is not in the page, but: {}", self.text().await);
        }
    }

    async fn text(&self) -> String {
        let text = self.page.execute("return document.body.innerText", vec![]).await.unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// Close the window as a window manager does.
    pub fn close_window(&self) {
        window::close(self.id);
    }

    /// Every process of the app: its own, WebKit's and the engine's.
    pub fn processes(&self) -> Vec<u32> {
        processes::tree(self.id)
    }

    /// Whether the engine runs as a process of this app.
    pub fn has_engine(&self) -> bool {
        self.processes().iter().any(|id| processes::arguments(*id).iter().any(|argument| argument == "engine"))
    }
}

/// Try again until it is so, or until there is no more hope.
pub async fn eventually(is_so: impl AsyncFn() -> bool) -> bool {
    let tries = async {
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        while !is_so().await {
            interval.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.is_ok()
}

fn starter_model() -> PathBuf {
    let folder = std::env::var_os("MODELS_DIR")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".local/share/flotilla/models"));
    let file = folder.join("smollm2/135m.gguf");
    assert!(file.exists(), "the starter model is missing: run `make model`");
    file
}
