//! What both dialects have in common when they ask for vectors of texts.

use crate::error::{Error, Result};

/// What OpenAI takes at once, and more than any client sends by itself.
const MAX_TEXTS: usize = 2048;

/// Vectors with so many numbers, from 1 to as many as the model gives them: they are cut at their end and made as long as
/// before, which is sound for models that were trained for it.
pub fn with_dimensions(mut vectors: Vec<Vec<f32>>, dimensions: Option<u32>) -> Result<Vec<Vec<f32>>> {
    let Some(wanted) = dimensions.map(|dimensions| dimensions as usize) else { return Ok(vectors) };
    let most = vectors.first().map_or(0, Vec::len);
    if !(1..=most).contains(&wanted) {
        return Err(Error::invalid("dimensions", format!("dimensions must be between 1 and {most} with this model")));
    }
    for vector in &mut vectors {
        vector.truncate(wanted);
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|value| *value /= length);
        }
    }
    Ok(vectors)
}

/// Refuses numbers of texts for which no vectors are made at once.
pub fn check_text_count(count: usize) -> Result<()> {
    match count {
        0 => Err(Error::invalid("input", "input must hold at least one text")),
        1..=MAX_TEXTS => Ok(()),
        _ => Err(Error::invalid("input", format!("input must hold at most {MAX_TEXTS} texts"))),
    }
}
