//! Embeds the manifests, so that the app deploys what the repository holds and needs no checkout.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// What the overlays that the app offers are composed of.
const FOLDERS: [&str; 4] = ["base", "components", "overlays/k3d", "overlays/ollama-host"];

fn main() -> io::Result<()> {
    // Asked when it runs: two clones that share a target directory share this program.
    let root = cargo("CARGO_MANIFEST_DIR")?.join("../../k8s").canonicalize()?;
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        let _ = writeln!(table, "    ({name:?}, include_str!({:?})),", file.to_string_lossy());
    }
    table.push(']');
    fs::write(cargo("OUT_DIR")?.join("manifests.rs"), table)
}

fn cargo(variable: &str) -> io::Result<PathBuf> {
    let value = env::var_os(variable).ok_or_else(|| io::Error::other(format!("cargo sets {variable}")))?;
    Ok(PathBuf::from(value))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}
