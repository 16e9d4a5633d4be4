//! Ollama's library: an OCI registry whose manifests have a layer with a GGUF file.
//!
//! `GET /v2/<namespace>/<model>/manifests/<tag>` and `GET /v2/<namespace>/<model>/blobs/<digest>`, as in
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>; the layers' types are Ollama's own
//! (`server/images.go` there). Its models are read without credentials, so none are ever sent.

use serde::Deserialize;

use super::{Digest, ModelName, PullError, RemoteFile, site::Site};

const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const MODEL_LAYER: &str = "application/vnd.ollama.image.model";
const ADAPTER_LAYER: &str = "application/vnd.ollama.image.adapter";
/// Manifests have some thousand bytes.
const MAX_MANIFEST_BYTES: usize = 1 << 20;

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

/// The file of a model in the library.
pub async fn find(site: &Site, name: &ModelName, namespace: &str, model: &str) -> Result<RemoteFile, PullError> {
    let manifest = site.url(["v2", namespace, model, "manifests", name.tag()]);
    let manifest: Option<Manifest> = site.json(manifest, MANIFEST_TYPE, MAX_MANIFEST_BYTES).await?;
    let manifest = manifest.ok_or_else(|| site.not_found(name))?;
    let of_type =
        |media_type: &str| manifest.layers.iter().filter(|layer| layer.media_type == media_type).collect::<Vec<_>>();
    if !of_type(ADAPTER_LAYER).is_empty() {
        return Err(PullError::Refused(format!(
            "'{name}' is an adapter of another model, which is not supported; choose a whole model"
        )));
    }
    let [layer] = of_type(MODEL_LAYER)[..] else {
        return Err(PullError::Refused(format!(
            "'{name}' is not one GGUF file, and nothing else can be run here; choose another tag"
        )));
    };
    let digest = Digest::parse(&layer.digest).ok_or_else(|| {
        PullError::Refused(format!("{} names the file of '{name}' by something that is no digest", site.name()))
    })?;
    let url = site.url(["v2", namespace, model, "blobs", &digest.to_string()]);
    RemoteFile::new(url, layer.size, digest)
}
