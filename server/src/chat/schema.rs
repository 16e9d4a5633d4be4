//! JSON schemas that answers are held to. They come from strangers, so a schema that would cost too much is refused before
//! an engine sees it.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Larger schemas than applications have.
const MAX_BYTES: usize = 64 * 1024;
const MAX_DEPTH: usize = 32;
/// Forms that one value may have, by all its `anyOf` and `oneOf` together. Where several of them stand side by side, each form of
/// one has to be combined with each of the other, so without an end a short schema could ask for years of work.
const MAX_FORMS: u64 = 256;
/// The longest chain of `$ref`s that is followed while forms are counted.
const MAX_REFERENCES: usize = 64;
/// Parts of a schema that are looked at while its forms are counted.
const MAX_VISITS: u32 = 50_000;

/// Refuses what is no schema and what is too much of one; `at` is where it stands in the request.
pub fn check_schema(at: &str, schema: &Value) -> Result<()> {
    let refused = |reason: &str| Err(Error::invalid(at, format!("{at}: {reason}")));
    if !schema.is_object() {
        return refused("a JSON schema is an object");
    }
    if schema.to_string().len() > MAX_BYTES {
        return refused("the schema has more than 64 KiB");
    }
    if !is_within(schema, MAX_DEPTH) {
        return refused("the schema is nested more than 32 deep");
    }
    let mut count = FormCount { root: schema, visits: 0 };
    if !every_value(schema, &mut |value| count.forms(value, MAX_REFERENCES) <= MAX_FORMS) {
        return refused("the schema allows too many forms of one value: simplify its anyOf, oneOf and allOf");
    }
    Ok(())
}

fn is_within(value: &Value, depth: usize) -> bool {
    depth > 0 && children(value).all(|child| is_within(child, depth - 1))
}

fn every_value(value: &Value, holds: &mut impl FnMut(&Value) -> bool) -> bool {
    holds(value) && children(value).all(|child| every_value(child, holds))
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// Counts how many forms a value may have that fits a part of the schema.
struct FormCount<'a> {
    root: &'a Value,
    visits: u32,
}

impl FormCount<'_> {
    /// More than [`MAX_FORMS`] where counting takes too long.
    fn forms(&mut self, schema: &Value, references: usize) -> u64 {
        let Value::Object(keywords) = schema else { return 1 };
        self.visits += 1;
        if self.visits > MAX_VISITS {
            return u64::MAX;
        }
        let mut product = 1_u64;
        for keyword in ["anyOf", "oneOf"] {
            let alternatives = list(keywords, keyword);
            let sum = alternatives.fold(0_u64, |sum, schema| sum.saturating_add(self.forms(schema, references)));
            product = product.saturating_mul(sum.max(1));
        }
        for schema in list(keywords, "allOf") {
            product = product.saturating_mul(self.forms(schema, references));
        }
        let root = self.root;
        let path = keywords.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        match path.and_then(|path| root.pointer(path)) {
            Some(target) if references > 0 => product.saturating_mul(self.forms(target, references - 1)),
            _ => product,
        }
    }
}

fn list<'a>(keywords: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    keywords.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(schema: &Value) -> Option<String> {
        check_schema("format", schema).err().map(|error| error.message)
    }

    #[test]
    fn a_usual_schema_passes() {
        let schema = json!({
            "type": "object",
            "properties": { "pet": { "anyOf": [{ "$ref": "#/$defs/cat" }, { "type": "null" }] } },
            "$defs": { "cat": { "type": "object", "properties": { "kitten": { "$ref": "#/$defs/cat" } } } },
        });
        assert_eq!(refusal(&schema), None);
    }

    #[test]
    fn a_schema_that_refers_to_itself_at_once_is_no_endless_loop() {
        let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
        assert_eq!(refusal(&schema), None);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(refusal(&json!("object")).unwrap(), "format: a JSON schema is an object");
    }

    #[test]
    fn a_deep_schema_is_refused() {
        let deep = (0..40).fold(json!({}), |inner, _| json!({ "items": inner }));
        assert!(refusal(&deep).unwrap().contains("32 deep"));
    }

    #[test]
    fn a_large_schema_is_refused() {
        assert!(refusal(&json!({ "const": "x".repeat(MAX_BYTES) })).unwrap().contains("64 KiB"));
    }

    #[test]
    fn forms_that_multiply_are_refused_wherever_they_stand() {
        let any = json!({ "anyOf": vec![json!({ "type": "string" }); 10] });
        let all = json!({ "properties": { "a": { "allOf": vec![any; 10] } } });
        assert!(refusal(&all).unwrap().contains("too many forms"));
        for keyword in ["anyOf", "oneOf", "allOf"] {
            let mut doubling = json!({ "$defs": {}, "$ref": "#/$defs/0" });
            for level in 0..60 {
                let next = json!({ "$ref": format!("#/$defs/{}", level + 1) });
                doubling["$defs"][level.to_string()] = json!({ keyword: [next, next] });
            }
            assert!(refusal(&doubling).unwrap().contains("too many forms"), "{keyword}");
        }
    }
}
