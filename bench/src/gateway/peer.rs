//! The gateways, and how each is started in front of one server: with the settings that it has by itself, but for what
//! would make it refuse a thousand streams.

use std::{
    env,
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;

use crate::{
    Setup,
    endpoint::Endpoint,
    machine,
    mock_upstream::{AT_ONCE, PACED, SLOW},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Peer {
    Flotilla,
    /// A program that passes bytes on and does nothing else
    Hyper,
    Nginx,
    SglangRouter,
    VllmRouter,
    Litellm,
}

/// Where a gateway stands.
pub struct Place<'a> {
    pub listen: SocketAddr,
    /// For those that tell their metrics on a port of their own.
    pub metrics: SocketAddr,
    pub upstream: &'a Endpoint,
    /// For whatever it writes.
    pub folder: &'a Path,
}

/// Above what any measurement opens at once.
const STREAMS: &str = "4096";

/// What `scripts/bench-gateways.sh` installs.
const REQUIREMENTS: [&str; 3] = [
    include_str!("../../gateways/sglang-router.txt"),
    include_str!("../../gateways/vllm-router.txt"),
    include_str!("../../gateways/litellm.txt"),
];

impl Peer {
    /// With the version of those that come from elsewhere.
    pub fn name(self) -> String {
        match self {
            Self::Flotilla => "Flotilla".to_owned(),
            Self::Hyper => "bare hyper".to_owned(),
            Self::Nginx => nginx_version().unwrap_or_else(|| "nginx".to_owned()),
            Self::SglangRouter | Self::VllmRouter | Self::Litellm => {
                let lines = REQUIREMENTS.iter().flat_map(|text| text.lines());
                let mut pinned = lines.filter_map(|line| line.split_once("=="));
                // Behind a package's name may stand its extras, as in `litellm[proxy]`.
                let own = pinned.find(|(package, _)| package.split('[').next() == Some(self.program_name()));
                format!("{} {}", self.program_name(), own.map_or("", |(_, version)| version))
            }
        }
    }

    /// `None` if it is not installed.
    pub fn program(self, setup: &Setup) -> anyhow::Result<Option<PathBuf>> {
        match self {
            Self::Flotilla => setup.server().map(Some),
            Self::Hyper => Ok(Some(env::current_exe()?)),
            _ => Ok(machine::program(self.program_name())),
        }
    }

    fn program_name(self) -> &'static str {
        match self {
            Self::Flotilla | Self::Hyper => "",
            Self::Nginx => "nginx",
            Self::SglangRouter => "sglang-router",
            Self::VllmRouter => "vllm-router",
            Self::Litellm => "litellm",
        }
    }

    /// Writes what it reads at its start into the place's folder.
    pub fn arguments(self, place: &Place) -> anyhow::Result<Vec<OsString>> {
        let Place { listen, metrics, upstream, folder } = place;
        let (host, port, metrics) = (listen.ip().to_string(), listen.port().to_string(), metrics.port().to_string());
        let (listen, server) = (listen.to_string(), format!("http://{}", upstream.address));
        let base_url = format!("{server}{}", upstream.prefix);
        let folder_name = folder.to_str().context("the folder for temporary files has no name in UTF-8")?;
        let arguments: Vec<String> = match self {
            Self::Flotilla => {
                let address = ["serve", "--listen-addr", &listen, "--data-dir", folder_name];
                let limits = ["--upstream-slots", STREAMS, "--max-connections", STREAMS];
                let upstream = ["--openai-base-url", &base_url];
                address.iter().chain(&upstream).chain(&limits).map(|&text| text.to_owned()).collect()
            }
            Self::Hyper => vec![
                "pass-through".to_owned(),
                format!("--listen={listen}"),
                format!("--upstream={}", upstream.address),
            ],
            Self::Nginx => {
                let file = folder.join("nginx.conf");
                fs::write(&file, nginx_configuration(place))?;
                let file = file.display().to_string();
                ["-e", "stderr", "-p", folder_name, "-c", &file].map(str::to_owned).to_vec()
            }
            Self::SglangRouter => {
                let address = ["launch", "--host", &host, "--port", &port, "--prometheus-port", &metrics];
                let upstream = ["--worker-urls", &server];
                address.iter().chain(&upstream).map(|&text| text.to_owned()).collect()
            }
            Self::VllmRouter => {
                let address = ["--host", &host, "--port", &port, "--prometheus-port", &metrics];
                // Its own choice has each prompt tokenised by the upstream first, which would count as a second request.
                let upstream = ["--policy", "round_robin", "--worker-urls", &server];
                address.iter().chain(&upstream).map(|&text| text.to_owned()).collect()
            }
            Self::Litellm => {
                let file = folder.join("litellm.yaml");
                fs::write(&file, litellm_configuration(&base_url))?;
                let file = file.display().to_string();
                ["--config", &file, "--host", &host, "--port", &port].map(str::to_owned).to_vec()
            }
        };
        Ok(arguments.into_iter().map(OsString::from).collect())
    }
}

fn nginx_version() -> Option<String> {
    let output = Command::new("nginx").arg("-v").output().ok()?;
    // It says `nginx version: nginx/1.22.1`.
    Some(str::from_utf8(&output.stderr).ok()?.trim().strip_prefix("nginx version: ")?.replace('/', " "))
}

/// As one writes it for event streams: <https://nginx.org/en/docs/http/ngx_http_proxy_module.html>.
fn nginx_configuration(place: &Place) -> String {
    format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 8192; }}
http {{
  access_log access.log;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream engine {{ server {upstream}; keepalive 64; }}
  server {{
    listen {listen};
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
",
        upstream = place.upstream.address,
        listen = place.listen,
    )
}

/// JSON is YAML too: <https://docs.litellm.ai/docs/proxy/configs>.
fn litellm_configuration(base_url: &str) -> String {
    let models = [PACED, AT_ONCE, SLOW].map(|model| {
        let upstream = json!({ "model": format!("openai/{model}"), "api_base": base_url, "api_key": "unused" });
        json!({ "model_name": model, "litellm_params": upstream })
    });
    json!({ "model_list": models }).to_string()
}
