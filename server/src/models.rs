//! Models: what is installed, and how more of them come here.
//!
//! Code map, in the order of a download: [`name`] is what a user types; [`jobs`] lets the download go on without anybody
//! watching; [`pull`] is one of them from start to end. It asks [`ollama_registry`] or [`hugging_face`] which file is
//! meant, through [`site`], which keeps the other side from doing harm; [`download`] fetches the file into a [`partial`]
//! one. [`import`] takes a file of this computer in its place. [`catalogue`] lists what is installed, and [`digests`] keeps
//! what it found out of the files; [`weights`] says which file a model runs from, and [`optimise`] makes another one that fits
//! this machine. [`disk`] is what all of them need of it.

mod address;
mod catalogue;
mod digest;
mod digests;
mod disk;
mod download;
mod error;
mod hugging_face;
mod import;
pub mod jobs;
mod name;
mod ollama_registry;
pub mod optimise;
mod partial;
mod pull;
mod site;
pub mod weights;

pub use self::{
    catalogue::{Catalogue, InstalledModel},
    digest::Digest,
    download::RemoteFile,
    error::PullError,
    jobs::Jobs,
    name::{ModelName, NameError},
    pull::{Progress, Registries},
    weights::weights_of,
};

/// The model that set-up fetches, so that a new installation answers at once.
pub const STARTER: &str = "smollm2:135m";

/// The name with its tag: `qwen2.5` means `qwen2.5:latest`, as in Ollama.
pub fn full_name(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// One sentence on what a model is good for, where we know it.
pub fn description(name: &str) -> Option<&'static str> {
    (name == STARTER).then_some(
        "A very small model that answers at once on any computer; it is weak, often wrong, and meant for trying things out.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_means_latest() {
        assert_eq!(full_name("qwen2.5"), "qwen2.5:latest");
        assert_eq!(full_name("qwen2.5:0.5b"), "qwen2.5:0.5b");
        assert_eq!(full_name("localhost:5000/team/qwen"), "localhost:5000/team/qwen:latest");
    }
}
