//! Which cores run what: on two cores, what is measured must not share one with what measures it.

use std::{ffi::OsStr, process::Command, thread};

use anyhow::anyhow;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{machine, runtime};

/// Which cores a process may use.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    AllCores,
    Core(usize),
}

impl Placement {
    /// How to start `program` there.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::AllCores => Command::new(program),
            Self::Core(core) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(program);
                command
            }
        }
    }
}

/// Runs `measure` on core 1, and tells it where that which is measured goes: to core 0, which it has for itself.
pub fn apart<T: Send>(measure: impl AsyncFnOnce(Placement) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let on_core_1 = || {
        let mut placement = Placement::AllCores;
        if machine::cores() > 1 {
            placement = Placement::Core(0);
            let mut core_1 = CpuSet::new();
            core_1.set(1);
            sched_setaffinity(None, &core_1)?;
        }
        runtime()?.block_on(measure(placement))
    };
    // A thread of its own, because it is tied to a core.
    thread::scope(|scope| scope.spawn(on_core_1).join()).map_err(|_| anyhow!("the measurement panicked"))?
}
