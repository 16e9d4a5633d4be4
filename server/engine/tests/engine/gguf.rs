//! The starter model with another chat template, for what its own template does not know.

use std::fs;
use std::path::Path;

use crate::client::starter_model;

const KEY: &[u8] = b"tokenizer.chat_template";
const STRING: u32 = 8;
const ALIGNMENT: usize = 32;

/// Writes it to `path`. The weights stay as they are: only the header's text is replaced, and what has to be a multiple of
/// the alignment is filled up again. The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
pub fn write_with_template(path: &Path, template: &str) {
    let model = fs::read(starter_model()).unwrap();
    let at = model.windows(KEY.len()).position(|bytes| bytes == KEY).unwrap() + KEY.len();
    assert_eq!(u32_at(&model, at), STRING);
    let old = at + 12..at + 12 + u64_at(&model, at + 4);
    let (header_end, data) = end_of_header(&model);
    let mut file = model[..at + 4].to_vec();
    file.extend((template.len() as u64).to_le_bytes());
    file.extend(template.as_bytes());
    file.extend(&model[old.end..header_end]);
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
    file.extend(&model[data..]);
    fs::write(path, file).unwrap();
}

/// Where the header ends, and where the weights begin.
fn end_of_header(model: &[u8]) -> (usize, usize) {
    let (tensors, entries) = (u64_at(model, 8), u64_at(model, 16));
    let mut at = 24;
    for _ in 0..entries {
        at += 8 + u64_at(model, at);
        let kind = u32_at(model, at);
        at = after_value(model, at + 4, kind);
    }
    for _ in 0..tensors {
        at += 8 + u64_at(model, at);
        let dimensions = u32_at(model, at) as usize;
        at += 4 + 8 * dimensions + 4 + 8;
    }
    (at, at.next_multiple_of(ALIGNMENT))
}

fn after_value(model: &[u8], at: usize, kind: u32) -> usize {
    match kind {
        0 | 1 | 7 => at + 1,
        2 | 3 => at + 2,
        4..=6 => at + 4,
        10..=12 => at + 8,
        STRING => at + 8 + u64_at(model, at),
        _ => {
            let (kind, count) = (u32_at(model, at), u64_at(model, at + 4));
            (0..count).fold(at + 12, |at, _| after_value(model, at, kind))
        }
    }
}

fn u32_at(model: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(model[at..at + 4].try_into().unwrap())
}

fn u64_at(model: &[u8], at: usize) -> usize {
    u64::from_le_bytes(model[at..at + 8].try_into().unwrap()) as usize
}
