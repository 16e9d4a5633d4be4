//! `flotilla serve` as a process of its own, in a folder that is thrown away.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::endpoint::Endpoint;

/// A running server; it is killed when this is dropped, and its engine processes end with it.
pub struct ServerProcess {
    child: Child,
    address: SocketAddr,
    start_up: Duration,
    /// Removed at the end, after the process.
    _folder: TempDir,
}

/// Which cores the server may use.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    AllCores,
    Core(usize),
}

/// The resident memory of a process in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Everything that is in memory, shared files counted in full.
    pub resident: u64,
    /// The same, with what is shared divided among those that share it.
    pub proportional: u64,
}

impl ServerProcess {
    /// Starts `flotilla serve` with `arguments` and waits until it listens. The caller's environment has no effect on it.
    pub fn start(program: &Path, arguments: &[OsString], placement: Placement) -> anyhow::Result<Self> {
        let program = (program.canonicalize())
            .with_context(|| format!("{} does not exist: run `make build` first", program.display()))?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let mut command = match placement {
            Placement::AllCores => Command::new(program),
            Placement::Core(core) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(program);
                command
            }
        };
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
    pub fn engine(&self) -> Option<i32> {
        let server = self.child.id().to_string();
        fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
            // The parent is the second field behind the name, which stands in brackets.
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            (parent == server).then(|| process.file_name().to_str()?.parse().ok())?
        })
    }

    /// From the start of the process to its line that says it listens.
    pub fn start_up(&self) -> Duration {
        self.start_up
    }

    pub fn memory(&self) -> anyhow::Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
        let bytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok());
            kibibytes.map(|kibibytes: u64| kibibytes * 1024).with_context(|| format!("{path} has no {name}"))
        };
        Ok(Memory { resident: bytes("Rss:")?, proportional: bytes("Pss:")? })
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
