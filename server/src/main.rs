//! The program: `flotilla serve`, `flotilla pull`, `flotilla optimize`, and `flotilla engine`, which the server starts by itself.

mod optimise;
mod pull;

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use flotilla::{
    AppState, Config, autoscaling,
    config::without_empty_variables,
    engine, shutdown,
    telemetry::{self, Traces},
};
use tokio::net::TcpListener;

/// LLMs as a service, from one laptop to a cluster.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve models over HTTP.
    Serve(Box<Config>),
    /// Install a model from the Ollama library, from Hugging Face or from a file.
    Pull(pull::Pull),
    /// Give a model the weights that this machine computes fastest, if that pays.
    Optimize(optimise::Optimise),
    /// Run one model on stdin and stdout; the server starts this by itself.
    #[command(hide = true)]
    Engine,
}

fn main() -> ExitCode {
    let settings = without_empty_variables(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&settings).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Serve(config) => serve(*config),
        Command::Pull(command) => pull::run(command),
        Command::Optimize(command) => optimise::run(command),
        Command::Engine => engine::run_engine_process(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::init_logs(config.log_format);
    let traces = Traces::start(&config)?;
    let address = config.listen_addr;
    let state = AppState::open(config).await?;
    let _autoscaling = autoscaling::start(&state).await?;
    let listener = TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    announce(&listener)?;
    flotilla::serve(listener, state, shutdown::signal()).await;
    if let Some(traces) = traces {
        traces.flush().await;
    }
    Ok(())
}

/// The one line on stdout, for people and for programs that start this one.
#[expect(clippy::print_stdout, reason = "this line is the program's output; log lines go to stderr")]
fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    println!("listening on http://{}", listener.local_addr()?);
    Ok(())
}
