//! The errors that a path can answer with whatever it does, for its page in the schema.

use utoipa::{
    Modify,
    openapi::{Content, OpenApi, PathItem, Ref, Response, path::Operation},
};

/// Adds them to every path, in the shape of its clients.
pub struct CommonErrors;

const ANYWHERE: [(&str, &str); 4] = [
    ("401", "the bearer token is missing or wrong"),
    ("403", "a page of another site, or a name that this server does not answer to"),
    ("500", "something failed that should not"),
    ("503", "the engine or the database cannot be reached, the line is full, or the server is shutting down"),
];
/// An id or a number in the address may be wrong as well as a body.
const WITH_AN_INPUT: [(&str, &str); 1] = [("400", "a value is not what it should be; the error names the field")];
const WITH_A_BODY: [(&str, &str); 3] = [
    ("408", "the body took too long to come"),
    ("413", "the body is too large"),
    ("415", "the body is not JSON, or it is packed"),
];
/// Where an engine may be too slow it may also break off, and who asks too much of it is refused.
const WITH_AN_ENGINE: [(&str, &str); 2] = [
    ("429", "the caller has its share of the line already"),
    ("502", "the engine stopped in the middle of the answer"),
];

impl Modify for CommonErrors {
    fn modify(&self, schema: &mut OpenApi) {
        for operation in schema.paths.paths.values_mut().flat_map(operations) {
            let error = match operation.tags.as_deref() {
                Some([tag]) if tag == "OpenAI" => "OpenAiErrorBody",
                Some([tag]) if tag == "Ollama" => "OllamaErrorBody",
                _ => "ErrorBody",
            };
            let mut errors = ANYWHERE.to_vec();
            if operation.request_body.is_some() || operation.parameters.is_some() {
                errors.extend(WITH_AN_INPUT);
            }
            if operation.request_body.is_some() {
                errors.extend(WITH_A_BODY);
            }
            if operation.responses.responses.contains_key("504") {
                errors.extend(WITH_AN_ENGINE);
            }
            for (status, description) in errors {
                let content = Content::new(Some(Ref::from_schema_name(error)));
                let response = Response::builder().description(description).content("application/json", content);
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.build().into());
            }
        }
    }
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.patch, &mut path.delete].into_iter().flatten()
}
