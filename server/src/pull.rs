//! `flotilla pull`: a model comes here from the command line. A server that runs on the same folder sees it at once.

use std::{
    io::IsTerminal,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context, bail};
use clap::Args;
use flotilla::{
    config::{LogFormat, ModelSettings},
    models::{ModelName, Progress, Registries},
    store::job::Stage,
    telemetry,
};

#[derive(Args)]
pub struct Pull {
    /// A name of the Ollama library such as qwen2.5:0.5b, a repository as in hf.co/owner/repository:Q4_K_M, or a GGUF file.
    model: String,

    /// The name that a model from a file gets; by default it is made of the file's.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,

    #[command(flatten)]
    settings: ModelSettings,
}

/// Stopped in the middle, the next call goes on where this one was.
#[tokio::main]
pub async fn run(Pull { model, name, settings }: Pull) -> anyhow::Result<()> {
    telemetry::init_logs(LogFormat::Text);
    let registries = Registries::new(&settings)?;
    let file = Path::new(&model);
    let installed = if file.is_file() {
        let name = name.unwrap_or_else(|| file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase());
        let name = parse(&name).context("give the model another name with --as")?;
        registries.import(file, &name)?;
        name
    } else if name.is_some() {
        bail!("--as is for files, and there is no file {model}");
    } else {
        let name = parse(&model)?;
        let shown = AtomicU64::new(u64::MAX);
        registries.pull(&name, &|progress| show(&name, progress, &shown)).await?;
        name
    };
    announce(&installed);
    Ok(())
}

fn parse(name: &str) -> anyhow::Result<ModelName> {
    ModelName::parse(name).with_context(|| format!("'{name}' cannot be used"))
}

#[expect(clippy::print_stdout, reason = "this line is the program's output; progress goes to stderr")]
fn announce(name: &ModelName) {
    println!("{name} is installed");
}

/// One line that changes on a terminal; elsewhere a line for each tenth, so that a log stays readable.
fn show(name: &ModelName, progress: Progress, shown: &AtomicU64) {
    let (Stage::Downloading, Some(total)) = (progress.stage, progress.total_bytes) else { return };
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let percent = progress.done_bytes * 100 / total.max(1);
    let line = format!("{name}: {percent} %, {} of {} MB", megabytes(progress.done_bytes), megabytes(total));
    if std::io::stderr().is_terminal() {
        eprint!("\r{line}{}", if progress.done_bytes == total { "\n" } else { "" });
    } else if shown.swap(percent / 10, Ordering::Relaxed) != percent / 10 {
        eprintln!("{line}");
    }
}
