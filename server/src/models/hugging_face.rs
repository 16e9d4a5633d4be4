//! Hugging Face: repositories with a GGUF file for each quantisation.
//!
//! `GET /api/models/<owner>/<repository>?blobs=true` lists the files with their digests, and
//! `GET /<owner>/<repository>/resolve/<commit>/<file>` is one of them: <https://huggingface.co/docs/hub/api>.

use serde::Deserialize;

use super::{Digest, ModelName, PullError, RemoteFile, name::LATEST, site::Site};

/// A repository with thousands of files has a description of about a megabyte.
const MAX_DESCRIPTION_BYTES: usize = 8 << 20;
/// What `latest` means where there are several: good answers at a moderate size first, as Hugging Face recommends them.
const PREFERRED: [&str; 5] = ["Q4_K_M", "Q4_K_S", "Q4_0", "Q5_K_M", "Q8_0"];

#[derive(Deserialize)]
struct Repository {
    /// The commit that the list is of.
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    lfs: Option<Lfs>,
}

/// Every file that is large enough for a model has this.
#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

/// The file of a repository that the name's tag means: a quantisation such as `Q4_K_M`, or a file's own name.
pub async fn find(site: &Site, name: &ModelName, owner: &str, repository: &str) -> Result<RemoteFile, PullError> {
    let mut description = site.url(["api", "models", owner, repository]);
    description.set_query(Some("blobs=true"));
    let found: Option<Repository> = site.json(description, "application/json", MAX_DESCRIPTION_BYTES).await?;
    let found = found.ok_or_else(|| site.not_found(name))?;
    let files: Vec<_> = found.siblings.iter().filter(|file| is_model(&file.rfilename)).collect();
    let names: Vec<_> = files.iter().map(|file| file.rfilename.as_str()).collect();
    let chosen = choose(name.tag(), &names).ok_or_else(|| PullError::Refused(refusal(name, &names)))?;
    let lfs = files.iter().find(|file| file.rfilename == chosen).and_then(|file| file.lfs.as_ref());
    let no_digest = || PullError::Refused(format!("{} names no digest for the file of '{name}'", site.name()));
    let lfs = lfs.ok_or_else(no_digest)?;
    let digest = Digest::parse_hex(&lfs.sha256).ok_or_else(no_digest)?;
    let is_commit = |sha: &String| sha.len() == 40 && sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    let revision = found.sha.filter(is_commit).unwrap_or_else(|| "main".to_owned());
    let url = site.url([owner, repository, "resolve", &revision].into_iter().chain(chosen.split('/')));
    RemoteFile::new(url, lfs.size, digest)
}

/// A projector for images is a GGUF file too, but no model by itself.
fn is_model(file: &str) -> bool {
    file.ends_with(".gguf") && !last_part(file).starts_with("mmproj")
}

fn choose<'a>(tag: &str, files: &[&'a str]) -> Option<&'a str> {
    let whole: Vec<_> = files.iter().copied().filter(|file| !is_one_of_several(file)).collect();
    let of = |tag: &str| whole.iter().copied().find(|file| has_quantization(file, tag));
    if let Some(file) = whole.iter().copied().find(|file| last_part(file) == tag).or_else(|| of(tag)) {
        return Some(file);
    }
    match whole.as_slice() {
        _ if tag != LATEST => None,
        [only] => Some(only),
        _ => PREFERRED.iter().find_map(|tag| of(tag)),
    }
}

/// Whether the tag stands at the end of the file's name: `Qwen3-8B-Q4_K_M.gguf`, `qwen3.q4_k_m.gguf`.
fn has_quantization(file: &str, tag: &str) -> bool {
    let stem = last_part(file).trim_end_matches(".gguf").to_ascii_lowercase();
    stem.strip_suffix(&tag.to_ascii_lowercase()).is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '.', '_']))
}

/// `…-00001-of-00003.gguf`
fn is_one_of_several(file: &str) -> bool {
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = last_part(file).trim_end_matches(".gguf").rsplit('-');
    matches!((parts.next(), parts.next(), parts.next()), (Some(count), Some("of"), Some(number)) if is_number(count) && is_number(number))
}

fn last_part(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn refusal(name: &ModelName, files: &[&str]) -> String {
    let names: Vec<_> =
        files.iter().filter(|file| !is_one_of_several(file)).map(|file| last_part(file)).take(20).collect();
    match (files, names.as_slice()) {
        ([], _) => format!("the repository of '{name}' has no GGUF file; look for one whose name ends in GGUF"),
        (_, []) => {
            format!("the files of '{name}' are split into parts, which is not supported; choose another repository")
        }
        _ => format!(
            "'{name}' leaves open which file it means; put one of these or its end after the colon: {}",
            names.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 6] = [
        "Qwen3-8B-Q4_K_M.gguf",
        "Qwen3-8B-Q8_0.gguf",
        "Qwen3-8B-IQ4_XS.gguf",
        "big/Qwen3-8B-F16-00001-of-00002.gguf",
        "big/Qwen3-8B-F16-00002-of-00002.gguf",
        "Qwen3-8B-Q4_K_M_L.gguf",
    ];

    #[test]
    fn a_quantisation_names_the_file_that_ends_with_it() {
        assert_eq!(choose("Q8_0", &FILES), Some("Qwen3-8B-Q8_0.gguf"));
        assert_eq!(choose("q4_k_m", &FILES), Some("Qwen3-8B-Q4_K_M.gguf"));
        assert_eq!(choose("Qwen3-8B-IQ4_XS.gguf", &FILES), Some("Qwen3-8B-IQ4_XS.gguf"));
        assert_eq!(choose("4_XS", &FILES), None);
        assert_eq!(choose("Q2_K", &FILES), None);
    }

    #[test]
    fn without_one_the_usual_quantisation_or_the_only_file_is_meant() {
        assert_eq!(choose(LATEST, &FILES), Some("Qwen3-8B-Q4_K_M.gguf"));
        assert_eq!(choose(LATEST, &["only.gguf"]), Some("only.gguf"));
        assert_eq!(choose(LATEST, &["a-IQ1_S.gguf", "a-IQ2_S.gguf"]), None);
    }

    #[test]
    fn a_file_that_is_split_or_no_model_is_not_chosen() {
        assert_eq!(choose("F16", &FILES), None);
        assert!(!is_model("mmproj-F16.gguf") && !is_model("README.md") && is_model("a/b.gguf"));
    }

    #[test]
    fn a_refusal_names_what_could_be_meant() {
        let name = ModelName::parse("hf.co/owner/repo:Q2_K").unwrap();
        assert!(refusal(&name, &FILES).ends_with("Qwen3-8B-IQ4_XS.gguf, Qwen3-8B-Q4_K_M_L.gguf"));
        assert!(refusal(&name, &FILES[3..5]).contains("split"));
        assert!(refusal(&name, &[]).contains("no GGUF file"));
    }
}
