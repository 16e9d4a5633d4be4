//! The machine that the numbers are from, and how busy it was with other things.

use std::{env, fs, path::PathBuf, thread};

use flotilla_engine::model;

/// Instruction sets that decide how fast llama.cpp is on a CPU.
const FEATURES: [&str; 6] = ["avx2", "fma", "f16c", "avx512f", "avx512_vnni", "amx_int8"];

/// Cores that this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A program that is installed, by its name.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Processes that ran or wanted to in the last minute, on average.
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

/// One line for below the tables; `load_before` is the load average when the run began.
pub fn describe(load_before: f64) -> String {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = cpu_info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| line.split(':').nth(1)).unwrap_or("unknown").trim().to_owned()
    };
    let flags = field("flags");
    let features: Vec<_> = FEATURES.into_iter().filter(|name| flags.split(' ').any(|flag| flag == *name)).collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "Machine: {} (family {}, model {}), {} cores, {}, Linux {}; llama.cpp: {}; load average {load_before:.2} at the \
         start, {:.2} at the end.",
        field("model name"),
        field("cpu family"),
        field("model"),
        cores(),
        features.join(" "),
        kernel.trim(),
        model::system_info(),
        load_average(),
    )
}
