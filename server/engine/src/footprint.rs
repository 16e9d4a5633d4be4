//! How much memory a process with a model takes, said before it is started.

use crate::{gguf::Metadata, model::BATCH_TOKENS, protocol::LoadOptions};

/// What a file's header says of the tensors that a process makes beside the weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub layers: u64,
    pub embedding_length: u64,
    /// Heads of each layer, or once for all of them.
    pub heads: Vec<u64>,
    /// The same of heads with keys and values of their own; as many as `heads` where the file has none.
    pub kv_heads: Vec<u64>,
    /// Numbers in the key of one head, where the file says it.
    pub key_length: Option<u64>,
    pub value_length: Option<u64>,
    /// Tokens that the model knows.
    pub vocabulary: u64,
    /// It looks at a whole text at once, and keeps nothing of it.
    pub is_encoder: bool,
}

/// Bytes that a process with the model of a file of `file_bytes` takes when all its chats are full: the weights, the cache
/// of keys and values, the shelf of what no chat holds any more, the numbers of a step, the vocabulary and the program.
///
/// It is more than is taken where only some layers keep the whole context (windows, recurrent layers): llama.cpp knows those
/// by the name of the architecture. It is less once vectors of texts were asked for, which takes the cache of one more chat,
/// and where llama.cpp repacks the weights, until the kernel takes the pages of the file back.
///
/// Of the starter model on x86-64, without a shelf, it says 526 MiB for 4 chats of 4096 tokens, where the process was
/// measured to take 502 when it was loaded and 506 when it had answered, and 172 MiB for one of 256, where it took 147 and 149.
pub fn footprint(file_bytes: u64, metadata: &Metadata, options: &LoadOptions) -> u64 {
    let Metadata { shape, context_length, .. } = metadata;
    let context_length = context_length.map_or(options.context_length, |trained| trained.min(options.context_length));
    let cells = u64::from(context_length).next_multiple_of(CELLS).saturating_mul(options.slots.into());
    let vocabulary = shape.vocabulary.saturating_mul(VOCABULARY_ENTRY);
    let shelf = if shape.is_encoder { 0 } else { u64::from(options.prefix_memory) << 20 };
    let parts = [file_bytes, cache(shape, cells), shelf, scratch(shape), vocabulary, PROGRAM];
    parts.into_iter().fold(0, u64::saturating_add)
}

/// llama.cpp rounds the cells of each sequence up to a multiple of it (`llama_context`'s constructor).
const CELLS: u64 = 256;
/// The cache holds half-precision numbers, which is llama.cpp's default.
const CACHED_NUMBER: u64 = 2;
const COMPUTED_NUMBER: u64 = 4;

/// A key and a value of each layer's heads for each cell, as `llama_kv_cache`'s constructor makes its tensors.
fn cache(shape: &Shape, cells: u64) -> u64 {
    if shape.is_encoder {
        return 0;
    }
    let heads = shape.heads.iter().copied().max().unwrap_or(1).max(1);
    let usual_length = shape.embedding_length / heads;
    let length = shape.key_length.unwrap_or(usual_length).saturating_add(shape.value_length.unwrap_or(usual_length));
    let cached = if shape.kv_heads.is_empty() { &shape.heads } else { &shape.kv_heads };
    let heads_in_all = match cached[..] {
        [each] => each.saturating_mul(shape.layers),
        _ => cached.iter().fold(0, |sum: u64, layer| sum.saturating_add(*layer)),
    };
    [length, cells, CACHED_NUMBER].into_iter().fold(heads_in_all, u64::saturating_mul)
}

/// What the layers of one step hand on, with room: of the 18 MiB that it says of the starter model, long prompts took 4.
/// llama.cpp allocates more, for the probabilities of all tokens of a prompt, which nobody asks for and which stays untouched.
fn scratch(shape: &Shape) -> u64 {
    let numbers = shape.embedding_length.saturating_mul(16);
    numbers.saturating_mul(u64::from(BATCH_TOKENS) * COMPUTED_NUMBER)
}

/// A token's text, and where it stands in the tables of the tokenizer and of the grammars, as measured.
const VOCABULARY_ENTRY: u64 = 300;
/// The program's code and what else it keeps, as measured with some room.
const PROGRAM: u64 = 40 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: LoadOptions =
        LoadOptions { slots: 1, context_length: 256, threads: 1, gpu_layers: None, prefix_memory: 0, guess_tokens: 0 };

    /// Llama 3 8B.
    fn llama() -> Shape {
        Shape {
            layers: 32,
            embedding_length: 4096,
            heads: vec![32],
            kv_heads: vec![8],
            vocabulary: 128_256,
            ..Shape::default()
        }
    }

    #[test]
    fn the_cache_is_as_large_as_llama_cpp_says() {
        assert_eq!(cache(&llama(), 4096), 512 << 20);
    }

    #[test]
    fn a_file_without_heads_for_keys_has_one_for_each_head() {
        assert_eq!(cache(&Shape { kv_heads: Vec::new(), ..llama() }, 4096), 4 * (512 << 20));
    }

    #[test]
    fn a_file_that_says_how_long_keys_and_values_are_is_believed() {
        let shape = Shape { key_length: Some(256), value_length: Some(64), ..llama() };
        assert_eq!(cache(&shape, 1), 32 * 8 * (256 + 64) * 2);
    }

    #[test]
    fn layers_may_differ_and_some_may_cache_nothing() {
        assert_eq!(cache(&Shape { layers: 3, kv_heads: vec![8, 0, 4], ..llama() }, 1), 12 * 256 * 2);
        assert_eq!(cache(&Shape { is_encoder: true, ..llama() }, 4096), 0);
    }

    #[test]
    fn no_more_is_cached_than_the_model_was_trained_for() {
        let options = |context_length| LoadOptions { slots: 2, context_length, ..OPTIONS };
        let trained = Metadata { context_length: Some(1000), shape: llama(), ..Metadata::default() };
        let bytes = |context_length| footprint(0, &trained, &options(context_length));
        assert_eq!(bytes(4096), bytes(1024));
        assert_eq!(bytes(1024) - bytes(512), 2 * 512 * 32 * 8 * 256 * 2);
    }

    #[test]
    fn the_shelf_counts() {
        let bytes = |prefix_memory| {
            let options = LoadOptions { prefix_memory, ..OPTIONS };
            footprint(0, &Metadata { shape: llama(), ..Metadata::default() }, &options)
        };
        assert_eq!(bytes(3) - bytes(0), 3 << 20);
    }

    #[test]
    fn numbers_that_no_model_has_do_not_overflow() {
        let shape = Shape { layers: u64::MAX, kv_heads: vec![u64::MAX], vocabulary: u64::MAX, ..llama() };
        let absurd = Metadata { shape, ..Metadata::default() };
        let options = LoadOptions { slots: 64, context_length: u32::MAX, ..OPTIONS };
        assert_eq!(footprint(u64::MAX, &absurd, &options), u64::MAX);
    }
}
