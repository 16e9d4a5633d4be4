//! Names of models: what a user types, what lists show, and the only way from a name to a file.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The name of a model that can be pulled. What is no such name cannot be made into one, so no part of it can lead out
/// of the models folder or change the address that is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelName {
    /// `qwen2.5`, `team/qwen` or `hf.co/owner/repo`.
    repository: String,
    tag: String,
}

/// Where a model of this name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    OllamaLibrary { namespace: &'a str, model: &'a str },
    HuggingFace { owner: &'a str, repository: &'a str },
}

/// The text is no name of a model.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a model's name; names are like qwen2.5:0.5b (from the Ollama library) or hf.co/owner/repository:Q4_K_M")]
pub struct NameError;

/// Ollama's limit, and Hugging Face's for both of its parts; so a file name stays far below 255 bytes.
const MAX_PART_BYTES: usize = 96;
const HUGGING_FACE: &str = "hf.co";
/// The tag that a name without one means.
pub const LATEST: &str = "latest";

impl ModelName {
    /// Read a name: `model`, `namespace/model`, `hf.co/owner/repository`, each with or without `:tag`.
    ///
    /// # Errors
    /// For everything else; addresses are no names.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (repository, tag) = match text.rsplit_once(':') {
            Some((repository, tag)) => (repository, tag),
            None => (text, LATEST),
        };
        let parts: Vec<_> = repository.split('/').collect();
        let repository = match parts.as_slice() {
            // Ollama's own models have a namespace that nobody writes.
            ["library", model] | [model] if *model != HUGGING_FACE => (*model).to_owned(),
            [HUGGING_FACE | "huggingface.co", owner, repository] => format!("{HUGGING_FACE}/{owner}/{repository}"),
            // A dot would make it the host of another registry.
            [namespace, model] if !namespace.contains('.') => format!("{namespace}/{model}"),
            _ => return Err(NameError),
        };
        let is_folder = |part: &str| is_part(part) && !part.ends_with(".gguf");
        if repository.split('/').all(is_folder) && is_part(tag) {
            Ok(Self { repository, tag: tag.to_owned() })
        } else {
            Err(NameError)
        }
    }

    pub fn source(&self) -> Source<'_> {
        let mut parts = self.repository.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (_, Some(owner), Some(repository)) => Source::HuggingFace { owner, repository },
            (Some(namespace), Some(model), None) => Source::OllamaLibrary { namespace, model },
            _ => Source::OllamaLibrary { namespace: "library", model: &self.repository },
        }
    }

    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Where the model's file is in the models folder; [`super::Catalogue`] reads names off the same places.
    pub fn file(&self, models: &Path) -> PathBuf {
        models.join(&self.repository).join(format!("{}.gguf", self.tag))
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.repository, self.tag)
    }
}

/// Letters, digits, `.`, `_` and `-`; neither hidden nor a step up to the parent folder.
fn is_part(part: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    part.len() <= MAX_PART_BYTES
        && part.bytes().all(is_inner)
        && !part.starts_with(['.', '-'])
        // Windows drops a dot at the end.
        && !part.ends_with('.')
        && !part.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_says_where_the_model_comes_from_and_where_its_file_is() {
        let library = |namespace, model| Source::OllamaLibrary { namespace, model };
        for (text, name, source, file) in [
            ("qwen2.5:0.5b", "qwen2.5:0.5b", library("library", "qwen2.5"), "qwen2.5/0.5b.gguf"),
            ("qwen2.5", "qwen2.5:latest", library("library", "qwen2.5"), "qwen2.5/latest.gguf"),
            ("library/qwen2.5:0.5b", "qwen2.5:0.5b", library("library", "qwen2.5"), "qwen2.5/0.5b.gguf"),
            ("team_1/qwen:x-Q4_0", "team_1/qwen:x-Q4_0", library("team_1", "qwen"), "team_1/qwen/x-Q4_0.gguf"),
            (
                "huggingface.co/bartowski/Qwen3-8B-GGUF:Q4_K_M",
                "hf.co/bartowski/Qwen3-8B-GGUF:Q4_K_M",
                Source::HuggingFace { owner: "bartowski", repository: "Qwen3-8B-GGUF" },
                "hf.co/bartowski/Qwen3-8B-GGUF/Q4_K_M.gguf",
            ),
        ] {
            let parsed = ModelName::parse(text).unwrap();
            assert_eq!(parsed.to_string(), name);
            assert_eq!(parsed.source(), source);
            assert_eq!(parsed.file(Path::new("models")), Path::new("models").join(file));
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "x".repeat(97);
        for text in [
            "",
            ":",
            "a:",
            ":b",
            "/",
            "a/",
            "/a",
            "a//b",
            "a:b:c",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "..:a",
            "a:..",
            "a:../b",
            "a:b/c",
            ".hidden",
            "a/.hidden",
            "a:.hidden",
            "-flag",
            "a:-flag",
            "a.",
            "a:b.",
            "a b",
            "a\\b",
            "a:\\..\\b",
            "C:\\model",
            "a\0",
            "a:b\0",
            "a\n",
            "a%2f..",
            "%2e%2e/a",
            "a?b",
            "a#b",
            "a@b",
            "ä:b",
            "a:\u{202e}b",
            "．．/a",
            "http://evil.example/a",
            "https://hf.co/a/b",
            "evil.example/a",
            "evil.example/a/b:c",
            "localhost:5000/a",
            "169.254.169.254/a",
            "[::1]/a",
            "hf.co/a",
            "hf.co/a/b/c",
            "hf.co/../b",
            "hf.co/a/..:x",
            "a.gguf:b",
            "a/b.gguf",
            "hf.co",
            "file:///etc/passwd",
            "/etc/passwd",
            "~/.ssh/id_rsa",
            &long,
            &format!("a:{long}"),
        ] {
            let parsed = ModelName::parse(text);
            assert!(parsed.is_err(), "{text:?} became {parsed:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_leads_out_of_the_models_folder(text in "[a-z./:\\\\%\0-]{0,16}|\\PC{0,16}") {
            if let Ok(name) = ModelName::parse(&text) {
                let file = name.file(Path::new("models"));
                prop_assert!(file.starts_with("models"));
                prop_assert!(file.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(ModelName::parse(&name.to_string()), Ok(name));
            }
        }
    }
}
