//! What a server costs that does nothing.

use std::fs;

use crate::{
    Setup,
    connection::Connection,
    placement::Placement,
    rounds::Rounds,
    runtime,
    server_process::ServerProcess,
    table::{COMPARISON, Table},
};

const TARGET_MB: f64 = 40.0;

/// Memory and start-up of a server with the scripted engine, so that no model is in memory. It has answered a request
/// before it is looked at: a program that has not run yet is small.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("script.txt");
    fs::write(&script, "Hello.\n")?;
    let (server_program, runtime) = (setup.server()?, runtime()?);

    let (mut resident, mut proportional, mut start_up) = (Rounds::default(), Rounds::default(), Rounds::default());
    for round in 1..=setup.rounds {
        eprintln!("idle: round {round} of {}", setup.rounds);
        let server =
            ServerProcess::start(&server_program, &["--script".into(), script.clone().into()], Placement::AllCores)?;
        runtime.block_on(async { Connection::open(&server.endpoint()).await?.first_model().await })?;
        let memory = server.memory()?;
        resident.push(memory.resident as f64 / 1e6);
        proportional.push(memory.proportional as f64 / 1e6);
        start_up.push(1e3 * server.start_up().as_secs_f64());
    }
    let method = format!(
        "The scripted engine, a new database, one request answered; medians of {} starts (least–greatest). Rss and Pss \
         from smaps_rollup; start-up is from the start of the process to its `listening on` line.",
        setup.rounds,
    );
    let mut table = Table::new("Idle server without a model", COMPARISON, method);
    table.compare(
        ["memory (Rss), MB".into(), resident.spread(1), String::new(), String::new()],
        &format!("< {TARGET_MB:.0}"),
        Some(resident.max() < TARGET_MB),
    );
    table.compare(["memory (Pss), MB".into(), proportional.spread(1), String::new(), String::new()], "", None);
    table.compare(["start-up, ms".into(), start_up.spread(0), String::new(), String::new()], "", None);
    Ok(table)
}
