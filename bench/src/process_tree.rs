//! What a process and its descendants use, from Linux's `/proc`: <https://docs.kernel.org/filesystems/proc.html>.

use std::{collections::HashMap, fs, process::Child, time::Duration};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// A process, and whatever it and its children have started.
#[derive(Clone, Copy, Debug)]
pub struct ProcessTree {
    root: Pid,
}

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Everything that is in memory, shared files counted in full.
    pub resident: u64,
    /// The same, with what is shared divided among those that share it.
    pub proportional: u64,
}

impl ProcessTree {
    pub fn of(process: &Child) -> Self {
        Self { root: Pid::from_child(process) }
    }

    /// The processes that there are now, parents before their children.
    pub fn members(&self) -> Vec<Pid> {
        let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            // One that has ended meanwhile has no parent any more.
            if let Some((process, parent)) = process.file_name().to_str().and_then(with_parent) {
                children.entry(parent).or_default().push(process);
            }
        }
        let mut members = vec![self.root];
        let mut next = 0;
        while let Some(&member) = members.get(next) {
            members.extend(children.remove(&member).unwrap_or_default());
            next += 1;
        }
        members
    }

    /// Ends all of it, the first first, so that it starts nothing anew.
    pub fn kill(&self) {
        for process in self.members() {
            // Fails only for what has ended already.
            let _ = kill_process(process, Signal::KILL);
        }
    }

    pub fn memory(&self) -> anyhow::Result<Memory> {
        self.members().into_iter().map(memory_of).try_fold(Memory::default(), |sum, memory| {
            let memory = memory?;
            Ok(Memory {
                resident: sum.resident + memory.resident,
                proportional: sum.proportional + memory.proportional,
            })
        })
    }

    /// Time that the threads which run now have had a core.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.members().into_iter().map(cpu_of).sum()
    }
}

/// The same of one process. The clock ticks in `stat` are too long for a request, so it is summed over its threads.
pub fn cpu_of(process: Pid) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/task");
    let threads = fs::read_dir(&path).with_context(|| format!("{path} cannot be read"))?;
    let mut nanoseconds = 0;
    for thread in threads.flatten() {
        // A thread that has ended meanwhile is left out.
        let Ok(statistics) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        let on_core = statistics.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        nanoseconds += on_core.with_context(|| format!("{path} has no time in schedstat"))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn memory_of(process: Pid) -> anyhow::Result<Memory> {
    let path = format!("/proc/{process}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kibibytes = line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse().ok());
        kibibytes.map(|kibibytes: u64| kibibytes * 1024).with_context(|| format!("{path} has no {name}"))
    };
    Ok(Memory { resident: bytes("Rss:")?, proportional: bytes("Pss:")? })
}

fn with_parent(process: &str) -> Option<(Pid, Pid)> {
    let pid = |number: &str| Pid::from_raw(number.parse().ok()?);
    // The parent is the second field behind the name, which stands in brackets.
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
    Some((pid(process)?, pid(parent)?))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        time::Instant,
    };

    use rustix::process::getpid;

    use super::*;

    #[test]
    fn the_child_of_a_child_counts_too() {
        let mut shell =
            Command::new("sh").args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let tree = ProcessTree::of(&shell);

        let members = tree.members();
        let memory = tree.memory().unwrap();

        assert_eq!(members, [Pid::from_child(&shell), Pid::from_raw(line.trim().parse().unwrap()).unwrap()]);
        assert!(memory.resident > memory_of(members[0]).unwrap().resident);
        tree.kill();
        shell.wait().unwrap();
    }

    #[test]
    fn time_on_a_core_is_told_more_finely_than_in_ticks() {
        let before = cpu_of(getpid()).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(3) {}

        assert!(cpu_of(getpid()).unwrap() > before);
    }
}
