use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::{Parameters, check_schema},
    dialect::{OneOrMany, seed},
    engine::Schema,
    error::{Error, Result},
};

/// Sampling under Ollama's names.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct ChatOptions {
    /// 0 to 2; 0 gives the same answer every time.
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<i32>,
    pub min_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    /// -1 draws a new one.
    pub seed: Option<i64>,
    /// The most tokens of the answer; -1 and -2 set no limit.
    pub num_predict: Option<i64>,
    pub stop: Option<OneOrMany>,
}

impl ChatOptions {
    pub fn into_parameters(self) -> Result<Parameters> {
        let max_tokens = match self.num_predict {
            None | Some(-2 | -1) => None,
            Some(count) => Some(u32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
                Error::invalid("options.num_predict", "options.num_predict must be 1 or more, or -1 for no limit")
            })?),
        };
        let parameters = Parameters {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            seed: seed(self.seed),
            max_tokens,
            repeat_penalty: self.repeat_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            stop: self.stop.map(Vec::from),
        };
        parameters.check("options.")?;
        Ok(parameters)
    }
}

/// What the answer is held to by `format`: `"json"` or a JSON schema.
pub fn schema(format: Option<Value>) -> Result<Option<Schema>> {
    match format {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(format)) if format.is_empty() => Ok(None),
        Some(Value::String(format)) if format == "json" => Ok(Some(Schema::any_object())),
        Some(schema @ Value::Object(_)) => {
            check_schema("format", &schema)?;
            Ok(Some(Schema { schema, strict: false }))
        }
        Some(_) => Err(Error::invalid("format", "format must be \"json\" or a JSON schema")),
    }
}

/// Refuses pictures; `at` is where they stand in the request.
pub fn check_images(images: Option<&Vec<String>>, at: &str) -> Result<()> {
    match images {
        Some(images) if !images.is_empty() => {
            Err(Error::unsupported(at, format!("{at}: images are not supported yet")))
        }
        _ => Ok(()),
    }
}
