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
    /// Unix seconds: when its file was last written; 0 where the engine does not tell.
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
        let created = model.modified_at.map_or(0, |time| time.timestamp());
        Self { id: model.id, object: "model", created, owned_by: "flotilla" }
    }
}
