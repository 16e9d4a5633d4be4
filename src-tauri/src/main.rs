//! The program: the window, and the engine process that its server starts by running this program again.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match std::env::args().nth(1).as_deref() {
        Some("engine") => flotilla::engine::run_engine_process(),
        _ => desktop::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flotilla-desktop: {error:#}");
            ExitCode::FAILURE
        }
    }
}
