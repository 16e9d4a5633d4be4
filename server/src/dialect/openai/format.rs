use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::check_schema,
    engine::Schema,
    error::{Error, Result},
};

/// The form of the answer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ResponseFormat {
    /// `text`, `json_object` or `json_schema`.
    pub r#type: String,
    /// Required by the type `json_schema`.
    pub json_schema: Option<JsonSchema>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct JsonSchema {
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Value>,
    /// Refuse keywords of the schema that cannot be enforced.
    pub strict: Option<bool>,
}

impl ResponseFormat {
    /// The schema that the answer is held to, if there is one.
    pub fn into_schema(self) -> Result<Option<Schema>> {
        let schema = self.json_schema.unwrap_or(JsonSchema { schema: None, strict: None });
        schema_of(&self.r#type, schema, "response_format", "response_format.json_schema.schema")
    }
}

/// The schema of an answer of this type. `at` is where the format stands in the request, `schema_at` where its schema does.
pub fn schema_of(r#type: &str, schema: JsonSchema, at: &str, schema_at: &str) -> Result<Option<Schema>> {
    match (r#type, schema.schema) {
        ("text", _) => Ok(None),
        ("json_object", _) => Ok(Some(Schema::any_object())),
        ("json_schema", Some(value)) => {
            check_schema(schema_at, &value)?;
            Ok(Some(Schema { schema: value, strict: schema.strict == Some(true) }))
        }
        ("json_schema", None) => Err(Error::invalid(schema_at, format!("{schema_at} is required"))),
        (_, _) => {
            let at = format!("{at}.type");
            Err(Error::unsupported(at.clone(), format!("{at} must be text, json_object or json_schema")))
        }
    }
}
