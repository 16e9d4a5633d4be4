use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::{endpoint::Endpoint, process_tree::ProcessTree};

const START_UP: Duration = Duration::from_secs(60);

/// A running `ollama serve`; it is killed when this is dropped, and the process with its model too.
pub struct Ollama {
    program: PathBuf,
    child: Child,
    address: SocketAddr,
    /// With its models and logs.
    folder: PathBuf,
}

impl Ollama {
    /// Starts it and waits until it listens. It has the settings that it has by itself, but that it keeps its model in memory,
    /// and answers `parallel` requests at once where that is said:
    /// <https://github.com/ollama/ollama/blob/v0.12.6/envconfig/config.go>.
    pub fn start(program: &Path, folder: &Path, address: SocketAddr, parallel: Option<u32>) -> anyhow::Result<Self> {
        let log = File::create(log_file(folder, address))?;
        let mut command = command(program, folder, address);
        command.arg("serve").env("OLLAMA_KEEP_ALIVE", "-1").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if let Some(parallel) = parallel {
            command.env("OLLAMA_NUM_PARALLEL", parallel.to_string());
        }
        let child = command.spawn().with_context(|| format!("{} cannot be started", program.display()))?;
        let mut ollama = Self { program: program.to_owned(), child, address, folder: folder.to_owned() };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if ollama.child.try_wait()?.is_some() || start.elapsed() > START_UP {
                bail!("Ollama did not start; its log:\n{}", ollama.log()?);
            }
            sleep(Duration::from_millis(50));
        }
        Ok(ollama)
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of_server(self.address)
    }

    /// Gives it the model in `file`, and all that start in this folder later.
    pub fn create(&self, file: &Path) -> anyhow::Result<()> {
        let modelfile = self.folder.join("Modelfile");
        fs::write(&modelfile, format!("FROM {}\n", file.display()))?;
        let output = self.command().args(["create", "bench", "-f"]).arg(modelfile).output()?;
        ensure!(output.status.success(), "ollama create: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Such as `ollama version is 0.12.6`.
    pub fn version(&self) -> anyhow::Result<String> {
        let output = self.command().arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The instructions that its llama.cpp uses, which it logs when it loads a model.
    pub fn instructions(&self) -> anyhow::Result<String> {
        let log = self.log()?;
        let words = log.split_whitespace().filter_map(|word| word.strip_prefix("CPU.0.")?.strip_suffix("=1"));
        Ok(words.collect::<Vec<_>>().join(" "))
    }

    fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(log_file(&self.folder, self.address))?)
    }

    fn command(&self) -> Command {
        command(&self.program, &self.folder, self.address)
    }
}

impl Drop for Ollama {
    fn drop(&mut self) {
        ProcessTree::of(&self.child).kill();
        // Fails only when it was waited for already.
        let _ = self.child.wait();
    }
}

/// The caller's environment has no effect on it.
fn command(program: &Path, folder: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", folder).env("OLLAMA_HOST", address.to_string());
    command
}

fn log_file(folder: &Path, address: SocketAddr) -> PathBuf {
    folder.join(format!("log-{}", address.port()))
}
