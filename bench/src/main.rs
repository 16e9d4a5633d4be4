//! Measures `flotilla serve` against what the machine allows, and prints tables for README.
//!
//! Every number is a ratio of two things that ran a moment apart in one run: clocks, neighbours and caches of a rented
//! machine change by the minute, so a number measured on another day is no reference.
//!
//! Code map:
//! - rows: [`decode`] (also batching), [`guess`], [`prefix`], [`ollama`], [`delay`], [`gateway`], [`idle`], [`routing`],
//!   [`load`], [`overload`]; [`kills`] looks for what is lost
//! - what they are measured against: [`llama`] (llama.cpp without the server), [`mock_upstream`], other gateways
//! - where it runs and what it uses: [`server_process`], [`placement`], [`process_tree`], [`machine`]
//! - how they speak to a server: [`endpoint`], [`connection`], [`idle_connections`], [`sse`], [`chat`], [`clients`]
//! - what they say: [`rounds`], [`table`]; [`words`] makes prompts

mod chat;
mod clients;
mod connection;
mod decode;
mod delay;
mod endpoint;
mod gateway;
mod guess;
mod idle;
mod idle_connections;
mod kills;
mod llama;
mod load;
mod machine;
mod mock_upstream;
mod ollama;
mod overload;
mod placement;
mod prefix;
mod process_tree;
mod rounds;
mod routing;
mod server_process;
mod sse;
mod table;
mod words;

use std::{env, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use flotilla_engine::protocol::LoadOptions;

use crate::{
    gateway::{GatewayArgs, pass_through::PassThroughArgs},
    kills::KillArgs,
    load::LoadArgs,
    overload::OverloadArgs,
    placement::Placement,
    server_process::ServerProcess,
    table::Table,
};

/// Measure `flotilla serve`.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    setup: Setup,
}

#[derive(Subcommand)]
enum Command {
    /// Everything below, one after the other; this is also what happens without a command.
    All,
    /// Tokens per second of one chat and of four, against llama.cpp without the server.
    Decode,
    /// Tokens per second of answers that quote, edit and invent, against the same server that guesses no tokens ahead.
    Guess,
    /// Time to first token in a conversation's fifth turn, and of many users with the same instructions, against prompts that
    /// were never seen.
    Prefix,
    /// Tokens per second and time to first token of eight clients at once, and of one, beside Ollama. It is not part of `all`.
    Ollama,
    /// What the server adds to each token when it stands in front of another engine.
    Delay,
    /// What the server costs in front of another engine, beside nginx, other gateways and one that only passes bytes on. It
    /// is not part of `all`.
    Gateway(GatewayArgs),
    /// Pass requests on and do nothing else: what `gateway` compares with.
    #[command(hide = true)]
    PassThrough(PassThroughArgs),
    /// Memory and start-up of a server without a model.
    Idle,
    /// Send requests at random moments, as many users do, to any OpenAI-compatible server on this machine.
    Load(LoadArgs),
    /// Time to first token behind many replicas, simulated, against the replica with the fewest requests; and how long the
    /// choice takes.
    Routing,
    /// Ask for up to ten times what a server can do, and for little beside one who asks for much. It is not part of `all`.
    Overload(OverloadArgs),
    /// Kill engines, and servers that share a PostgreSQL, under running answers, and look for characters that are lost or
    /// doubled. It is not part of `all`.
    Kills(KillArgs),
}

/// What is measured.
#[derive(Args)]
pub struct Setup {
    /// The program to measure; by default the one that was built together with this one.
    #[arg(long, global = true)]
    server: Option<PathBuf>,

    /// Folder with GGUF files as `<name>/<tag>.gguf`; by default the user's own.
    #[arg(long, global = true)]
    models: Option<PathBuf>,

    /// How often each comparison is repeated.
    #[arg(long, global = true, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// The server's defaults, spelt out so that llama.cpp alone gets the same ones.
const SLOTS: u32 = 4;
const CONTEXT_LENGTH: u32 = 4096;

impl Setup {
    fn server(&self) -> anyhow::Result<PathBuf> {
        match &self.server {
            Some(program) => Ok(program.clone()),
            None => Ok(env::current_exe()?.with_file_name("flotilla")),
        }
    }

    fn models(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.models {
            return Ok(folder.clone());
        }
        let user = directories::ProjectDirs::from("", "", "flotilla").context("no home folder: pass --models")?;
        Ok(user.data_dir().join("models"))
    }

    /// Where the server found the model that it calls `<name>:<tag>`.
    fn model_file(&self, model: &str) -> anyhow::Result<PathBuf> {
        let (name, tag) = model.split_once(':').unwrap_or((model, "latest"));
        Ok(self.models()?.join(name).join(format!("{tag}.gguf")))
    }

    fn load_options(&self) -> LoadOptions {
        LoadOptions {
            slots: SLOTS,
            context_length: CONTEXT_LENGTH,
            threads: machine::cores() as u32,
            gpu_layers: None,
            // Without the server there is nobody who would keep or guess something.
            prefix_memory: 0,
            guess_tokens: 0,
        }
    }

    /// A server that answers with its own engine, on every core: llama.cpp uses them all.
    fn serve_model(&self) -> anyhow::Result<ServerProcess> {
        self.serve_model_with(&[])
    }

    /// The same with other settings besides, or in the place of those.
    fn serve_model_with(&self, settings: &[(&str, u32)]) -> anyhow::Result<ServerProcess> {
        let options = self.load_options();
        let mut arguments = vec!["--models-dir".into(), self.models()?.into_os_string()];
        let own =
            [("--slots", options.slots), ("--context-length", options.context_length), ("--threads", options.threads)];
        let own = own.iter().filter(|(flag, _)| settings.iter().all(|(other, _)| other != flag));
        for (flag, value) in own.chain(settings) {
            arguments.extend([(*flag).into(), value.to_string().into()]);
        }
        ServerProcess::start(&self.server()?, &arguments, Placement::AllCores)
    }
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flotilla-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(Cli { command, setup }: &Cli) -> anyhow::Result<()> {
    let before = machine::load_average();
    match command.as_ref().unwrap_or(&Command::All) {
        Command::All => {
            let (table, capacity) = decode::measure(setup)?;
            table.print()?;
            guess::measure(setup)?.print()?;
            prefix::measure(setup)?.print()?;
            delay::measure(setup)?.print()?;
            idle::measure(setup)?.print()?;
            routing::measure(setup)?.iter().try_for_each(Table::print)?;
            load::around_capacity(setup, capacity)?.print()?;
        }
        Command::Decode => decode::measure(setup)?.0.print()?,
        Command::Guess => guess::measure(setup)?.print()?,
        Command::Prefix => prefix::measure(setup)?.print()?,
        Command::Ollama => ollama::measure(setup)?.print()?,
        Command::Delay => delay::measure(setup)?.print()?,
        Command::Gateway(args) => gateway::measure(setup, args)?.iter().try_for_each(Table::print)?,
        Command::PassThrough(args) => return gateway::pass_through::serve(args),
        Command::Idle => idle::measure(setup)?.print()?,
        Command::Routing => routing::measure(setup)?.iter().try_for_each(Table::print)?,
        Command::Load(args) => load::measure(args)?.print()?,
        Command::Overload(args) => overload::measure(setup, args)?.iter().try_for_each(Table::print)?,
        Command::Kills(args) => kills::measure(setup, args)?.print()?,
    }
    Table::print_line(&machine::describe(before))
}

/// One thread is enough to read tokens, and leaves the other cores to what is measured.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
