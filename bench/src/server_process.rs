//! `flotilla serve` as a process of its own, in a folder that is thrown away.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::Pid;
use tempfile::TempDir;

use crate::{
    endpoint::Endpoint,
    placement::Placement,
    process_tree::{Memory, ProcessTree},
};

/// A running server; it is killed when this is dropped, and its engine processes end with it.
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
    start_up: Duration,
    /// Removed at the end, after the process.
    _folder: TempDir,
}

impl ServerProcess {
    /// Starts `flotilla serve` with `arguments` and waits until it listens. The caller's environment has no effect on it.
    pub fn start(program: &Path, arguments: &[OsString], placement: Placement) -> anyhow::Result<Self> {
        let program = (program.canonicalize())
            .with_context(|| format!("{} does not exist: run `make build` first", program.display()))?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let mut command = placement.command(program);
        command
            .args(["serve", "--listen-addr", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path())
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?);
        let started = Instant::now();
        let mut child = command.spawn().context("the server cannot be started")?;
        let address = match listening_address(&mut child) {
            Ok(address) => address,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                let log = fs::read_to_string(&log)?;
                return Err(error.context(format!("the server did not start; its log:\n{log}")));
            }
        };
        Ok(Self { child, address, start_up: started.elapsed(), _folder: folder })
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of_server(self.address)
    }

    /// The process that runs the model, if there is one now: the server's only child.
    pub fn engine(&self) -> Option<Pid> {
        self.processes().members().get(1).copied()
    }

    /// From the start of the process to its line that says it listens.
    pub fn start_up(&self) -> Duration {
        self.start_up
    }

    pub fn memory(&self) -> anyhow::Result<Memory> {
        self.processes().memory()
    }

    fn processes(&self) -> ProcessTree {
        ProcessTree::of(&self.child)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening_address(child: &mut Child) -> anyhow::Result<SocketAddr> {
    let stdout = child.stdout.take().context("stdout is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    match line.trim_end().strip_prefix("listening on http://") {
        Some(address) => Ok(address.parse()?),
        None => bail!("it said `{}` instead of its address", line.trim_end()),
    }
}
