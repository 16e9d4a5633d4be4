use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::{
    latency::short_question,
    peer::{Peer, Place},
};
use crate::{
    connection::Connection,
    endpoint::{Endpoint, free_addresses},
    placement::Placement,
    process_tree::ProcessTree,
};

/// Some import half of PyPI first, on a core that may be busy.
const START_UP: Duration = Duration::from_secs(180);
/// For one answer while it is asked whether it is there.
const ANSWER: Duration = Duration::from_secs(10);

/// A running gateway with a folder that is thrown away; it is killed when this is dropped.
pub struct Gateway {
    child: Child,
    pub endpoint: Endpoint,
    /// Removed at the end, after the process.
    folder: TempDir,
}

impl Gateway {
    /// Starts it in front of `upstream` and waits until an answer comes through it. What it logs goes into a file.
    pub async fn start(peer: Peer, program: &Path, upstream: &Endpoint, placement: Placement) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (listen, metrics) = free_addresses()?;
        let arguments = peer.arguments(&Place { listen, metrics, upstream, folder: folder.path() })?;
        let log = File::create(folder.path().join("log"))?;
        let child = placement
            .command(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            // LiteLLM's, without which it fetches a price list at its start.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut gateway = Self { child, endpoint: Endpoint::of_server(listen), folder };
        if let Err(error) = gateway.answers().await {
            let log = fs::read_to_string(gateway.folder.path().join("log"))?;
            return Err(error.context(format!("{} did not start; its log:\n{log}", program.display())));
        }
        Ok(gateway)
    }

    pub fn processes(&self) -> ProcessTree {
        ProcessTree::of(&self.child)
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let answer = async {
                let mut connection = Connection::open(&self.endpoint).await?;
                short_question().whole(&mut connection).await?;
                anyhow::Ok(())
            };
            let refusal = match timeout(ANSWER, answer).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => format!("no answer in {ANSWER:?}"),
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            if start.elapsed() > START_UP {
                bail!("after {START_UP:?}: {refusal}");
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.processes().kill();
        let _ = self.child.wait();
    }
}
