use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    engine::{Capability, Model},
    models::Digest,
};

/// The version of Ollama whose wire format this is. Clients compare it with what they need, so it is a number.
const VERSION: &str = "0.12.11";

/// The body of `GET /api/version`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    version: &'static str,
}

impl Default for Version {
    fn default() -> Self {
        Self { version: VERSION }
    }
}

/// The body of `GET /api/tags`.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tags {
    models: Vec<InstalledModel>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct InstalledModel {
    name: String,
    /// The same as `name`.
    model: String,
    modified_at: Option<DateTime<Utc>>,
    /// In bytes: of the file, or of the memory that a loaded model takes; 0 where it is not known.
    size: u64,
    /// 64 hexadecimal digits. Of a file that was pulled here its SHA-256; of others the same once it is known, and before that
    /// one of the model's name, size and time.
    digest: String,
    details: ModelDetails,
}

/// The body of `GET /api/ps`.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoadedModels {
    models: Vec<LoadedModel>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LoadedModel {
    #[serde(flatten)]
    #[schema(inline)]
    installed: InstalledModel,
    /// When it leaves the memory if nobody asks for it. A hundred years from now where that is never or not known: clients
    /// want a time.
    expires_at: DateTime<Utc>,
    /// Always 0: models are in the computer's own memory.
    size_vram: u64,
    context_length: u32,
}

/// What is known is filled in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelDetails {
    /// Always empty.
    parent_model: &'static str,
    /// Always `gguf`.
    format: &'static str,
    family: String,
    families: Vec<String>,
    /// For example `134.52M`.
    parameter_size: String,
    /// For example `Q4_1`.
    quantization_level: String,
}

/// The body of the answer to `POST /api/show`: a model as its clients want to know it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShowResponse {
    /// Always empty, as are the next two: models are files here, and not made of recipes.
    modelfile: &'static str,
    parameters: &'static str,
    template: &'static str,
    details: ModelDetails,
    /// `<architecture>.context_length` is what one chat may hold on this server.
    #[schema(value_type = Object)]
    model_info: BTreeMap<String, Value>,
    /// `completion` and `tools` where only trying tells.
    capabilities: Vec<Capability>,
    modified_at: Option<DateTime<Utc>>,
}

impl From<Vec<Model>> for Tags {
    fn from(models: Vec<Model>) -> Self {
        Self { models: models.iter().map(InstalledModel::from).collect() }
    }
}

impl From<Vec<Model>> for LoadedModels {
    fn from(models: Vec<Model>) -> Self {
        let loaded = models.iter().filter(|model| model.loaded).map(|model| LoadedModel {
            installed: InstalledModel { size: model.memory_bytes.unwrap_or(0), ..model.into() },
            expires_at: model.unloads_at.unwrap_or_else(|| Utc::now() + TimeDelta::days(36_525)),
            size_vram: 0,
            context_length: model.context_length.unwrap_or(0),
        });
        Self { models: loaded.collect() }
    }
}

impl From<&Model> for InstalledModel {
    fn from(model: &Model) -> Self {
        Self {
            name: model.id.clone(),
            model: model.id.clone(),
            modified_at: model.modified_at,
            size: model.size_bytes.unwrap_or(0),
            digest: format!("{:x}", model.digest.unwrap_or_else(|| digest_of_what_is_known(model))),
            details: model.into(),
        }
    }
}

/// In place of a digest that would take reading a large file, or that only another server could tell. Ollama's own client
/// prints the first twelve digits, and panics where there are none.
fn digest_of_what_is_known(model: &Model) -> Digest {
    let known = (&model.id, model.size_bytes, model.modified_at);
    Digest::of(&serde_json::to_vec(&known).expect("texts and numbers are JSON"))
}

impl From<&Model> for ModelDetails {
    fn from(model: &Model) -> Self {
        Self {
            parent_model: "",
            format: "gguf",
            family: model.family.clone().unwrap_or_default(),
            families: model.family.clone().into_iter().collect(),
            parameter_size: model.parameters.map(human_number).unwrap_or_default(),
            quantization_level: model.quantization.clone().unwrap_or_default(),
        }
    }
}

impl From<&Model> for ShowResponse {
    fn from(model: &Model) -> Self {
        let architecture = model.family.as_deref().unwrap_or("unknown");
        let facts = [
            ("general.architecture".to_owned(), Some(architecture.into())),
            ("general.parameter_count".to_owned(), model.parameters.map(Value::from)),
            (format!("{architecture}.context_length"), model.context_length.map(Value::from)),
        ];
        let capabilities = match &model.capabilities[..] {
            [] => vec![Capability::Completion, Capability::Tools],
            known => known.to_vec(),
        };
        Self {
            modelfile: "",
            parameters: "",
            template: "",
            details: model.into(),
            model_info: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            capabilities,
            modified_at: model.modified_at,
        }
    }
}

/// As Ollama writes it: `134.52M`, `7B`.
fn human_number(number: u64) -> String {
    let number = number as f64;
    let (scaled, unit) = match number {
        1e12.. => (number / 1e12, "T"),
        1e9.. => (number / 1e9, "B"),
        1e6.. => (number / 1e6, "M"),
        1e3.. => (number / 1e3, "K"),
        _ => (number, ""),
    };
    let text = format!("{scaled:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::human_number;

    #[test]
    fn a_number_of_weights_is_written_for_people() {
        assert_eq!(human_number(134_515_008), "134.52M");
        assert_eq!(human_number(7_000_000_000), "7B");
        assert_eq!(human_number(12), "12");
    }
}
