//! How much memory there is.

use anyhow::Context;
use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessesToUpdate, System};

/// Bytes that models take together if nobody says otherwise: four fifths of what the machine has, or of what the control group
/// of this process may take, as in a container. The rest is for the server, its page and other programs.
pub fn memory_for_models() -> anyhow::Result<u64> {
    usable_memory().map(|bytes| bytes / 5 * 4).context("how much memory there is cannot be found: set MAX_MODEL_MEMORY")
}

fn usable_memory() -> Result<u64, sysinfo::Error> {
    let (mut system, this) = (System::new()?, sysinfo::get_current_pid()?);
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[this]), false, ProcessRefreshKind::nothing());
    let limits = system.process(this).and_then(|process| process.cgroup_limits());
    let machine = system.total_memory();
    Ok(limits.map_or(machine, |limits| limits.total_memory.min(machine)))
}
