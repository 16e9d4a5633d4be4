//! Log lines of an engine process: how it writes them, and how the server passes them on to its own log.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::telemetry::log_panics;

/// In an engine process: send log lines to the server that started it, which knows the time and the format.
pub fn to_server() {
    log_panics();
    // llama.cpp tells a hundred lines about each model; RUST_LOG=info shows them.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,llama-cpp-2=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .init();
}

/// In the server: copies lines until the other end is closed.
pub async fn forward(stderr: impl AsyncRead + Unpin) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        let (level, message) = level_and_message(text.trim());
        match level {
            _ if message.is_empty() => {}
            Level::ERROR => tracing::error!(target: "flotilla_engine", "{message}"),
            Level::WARN => tracing::warn!(target: "flotilla_engine", "{message}"),
            Level::INFO => tracing::info!(target: "flotilla_engine", "{message}"),
            _ => tracing::debug!(target: "flotilla_engine", "{message}"),
        }
        line.clear();
    }
}

/// The engine's own lines begin with their level. Any other line comes from beneath it, such as an assertion of llama.cpp,
/// and somebody should see it.
fn level_and_message(line: &str) -> (Level, &str) {
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first {
        "ERROR" => (Level::ERROR, rest),
        "WARN" => (Level::WARN, rest),
        "INFO" => (Level::INFO, rest),
        "DEBUG" | "TRACE" => (Level::DEBUG, rest),
        _ => (Level::WARN, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_level() {
        assert_eq!(level_and_message("INFO flotilla_engine: loaded"), (Level::INFO, "flotilla_engine: loaded"));
        assert_eq!(level_and_message("ERROR flotilla_engine: failed"), (Level::ERROR, "flotilla_engine: failed"));
    }

    #[test]
    fn an_assertion_of_llama_cpp_is_a_warning() {
        let line = "GGML_ASSERT(n_tokens > 0) failed";

        assert_eq!(level_and_message(line), (Level::WARN, line));
    }
}
