use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::Model;

/// The body of `GET /v1/models`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    object: &'static str,
    data: Vec<ModelObject>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ModelObject {
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Unix seconds, which engines do not tell: always 0.
    created: i64,
    owned_by: &'static str,
}

impl From<Vec<Model>> for ModelList {
    fn from(models: Vec<Model>) -> Self {
        Self { object: "list", data: models.into_iter().map(ModelObject::from).collect() }
    }
}

impl From<Model> for ModelObject {
    fn from(model: Model) -> Self {
        Self { id: model.id, object: "model", created: 0, owned_by: "flotilla" }
    }
}
