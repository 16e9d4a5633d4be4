use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command},
};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

use super::{eventually, processes};

/// WebKitWebDriver, which starts the app as its child. Dropping it ends both.
pub struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    pub fn start(mut command: Command) -> Self {
        // It cannot choose a port by itself.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let process = command.arg(format!("--port={port}")).spawn().expect("WebKitWebDriver has to be installed");
        Self { process, port }
    }

    /// Start the app and attach to its page.
    pub async fn open(&self, program: &str) -> Client {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        assert!(
            eventually(async || tokio::net::TcpStream::connect(address).await.is_ok()).await,
            "no WebDriver answers"
        );
        // WebKitWebDriver refuses a session that names a browser.
        let options = json!({ "webkitgtk:browserOptions": { "binary": program, "args": [] } });
        ClientBuilder::new(HttpConnector::new())
            .capabilities(options.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("the app does not start")
    }

    /// The number of the app's process.
    pub fn app(&self, program: &str) -> u32 {
        let is_app = |id: &u32| processes::arguments(*id).first().is_some_and(|argument| argument == program);
        processes::tree(self.process.id()).into_iter().find(is_app).expect("the app does not run")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let processes = processes::tree(self.process.id());
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        processes.into_iter().for_each(processes::kill);
    }
}
