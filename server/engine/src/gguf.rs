//! Looks a GGUF file over before llama.cpp reads it, and says what is in it.
//!
//! llama.cpp's own reader has had integer overflows on crafted headers (CVE-2025-53630, CVE-2026-27940), and it says little
//! to the user about a download that was cut short. Every count and length here is checked against what is left of the file.
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

mod header;
mod quantization;
mod tensor;
mod value;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use thiserror::Error;

use self::header::Header;
pub use self::quantization::quantization;
use crate::footprint::Shape;

/// Why a file is not a GGUF model that can be loaded. The messages are for a person.
#[derive(Debug, Error)]
pub enum GgufError {
    #[error("The model file cannot be read ({0}). Check that it exists and that you may read it.")]
    Unreadable(io::ErrorKind),
    #[error("The file is not a GGUF model. Choose a file that ends in .gguf.")]
    NotGguf,
    #[error("The file's GGUF version {0} is not supported. Download a version made for a current llama.cpp.")]
    UnsupportedVersion(u32),
    #[error("The model file is cut short. Download it again.")]
    Truncated,
    #[error("The model file is damaged: {0}. Download it again.")]
    Damaged(&'static str),
}

impl From<io::Error> for GgufError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            kind => Self::Unreadable(kind),
        }
    }
}

/// What a file says of its model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// For example `llama`.
    pub architecture: String,
    /// For example `Q4_K_M`; `None` for a mixture without a name.
    pub quantization: Option<&'static str>,
    /// Number of weights.
    pub parameters: u64,
    /// Tokens that the model was trained for.
    pub context_length: Option<u32>,
    /// Whether it makes one vector of a text instead of more text.
    pub is_embedding: bool,
    /// The Jinja template that makes a prompt of a conversation.
    pub chat_template: Option<String>,
    /// What its memory depends on.
    pub shape: Shape,
}

/// Walks through the whole header, checks that every tensor lies inside the file, and returns what the header says.
/// Reads no weights, so it takes milliseconds.
pub fn read(path: &Path) -> Result<Metadata, GgufError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(GgufError::NotGguf);
    }
    read_header(BufReader::new(file), metadata.len())
}

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
/// A metadata entry takes at least a key length, a type and one byte of value.
const MIN_METADATA_ENTRY: u64 = 8 + 4 + 1;

fn read_header(reader: impl Read, file_len: u64) -> Result<Metadata, GgufError> {
    let mut header = Header::new(reader, file_len);

    let magic = header.bytes::<4>().map_err(|error| match error {
        GgufError::Truncated => GgufError::NotGguf,
        other => other,
    })?;
    if &magic != MAGIC {
        return Err(GgufError::NotGguf);
    }
    let version = header.u32()?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::UnsupportedVersion(version));
    }
    let tensors = header.count(tensor::MIN_ENTRY)?;
    let entries = header.count(MIN_METADATA_ENTRY)?;

    let mut metadata = Metadata::default();
    let mut alignment = DEFAULT_ALIGNMENT;
    for _ in 0..entries {
        let key = header.name()?;
        let kind = header.u32()?;
        // The architecture stands before the keys that begin with its name, as in every file that llama.cpp writes.
        match key.strip_prefix(metadata.architecture.as_str()).unwrap_or(&key) {
            "general.alignment" => alignment = header.number(kind)?.unwrap_or(0),
            "general.architecture" => metadata.architecture = header.text(kind)?.unwrap_or_default(),
            "general.file_type" => metadata.quantization = header.number(kind)?.and_then(quantization),
            "tokenizer.chat_template" => metadata.chat_template = header.text(kind)?,
            ".context_length" => {
                metadata.context_length = header.number(kind)?.and_then(|length| length.try_into().ok());
            }
            ".pooling_type" => metadata.is_embedding = header.number(kind)?.is_some_and(|kind| kind != 0),
            ".block_count" => metadata.shape.layers = header.number(kind)?.unwrap_or(0),
            ".embedding_length" => metadata.shape.embedding_length = header.number(kind)?.unwrap_or(0),
            ".attention.head_count" => metadata.shape.heads = header.numbers(kind)?,
            ".attention.head_count_kv" => metadata.shape.kv_heads = header.numbers(kind)?,
            ".attention.key_length" => metadata.shape.key_length = header.number(kind)?,
            ".attention.value_length" => metadata.shape.value_length = header.number(kind)?,
            ".attention.causal" => metadata.shape.is_encoder = header.flag(kind)? == Some(false),
            "tokenizer.ggml.tokens" if kind == value::ARRAY => metadata.shape.vocabulary = header.skip_array()?,
            _ => header.skip_value(kind)?,
        }
    }
    if !alignment.is_power_of_two() {
        return Err(GgufError::Damaged("its alignment is not a power of two"));
    }

    let mut data_len = 0;
    for _ in 0..tensors {
        let tensor = header.tensor()?;
        data_len = data_len.max(tensor.end);
        metadata.parameters = metadata.parameters.saturating_add(tensor.elements);
    }
    let data_start = header.position().checked_next_multiple_of(alignment).ok_or(GgufError::Truncated)?;
    match data_start.checked_add(data_len) {
        Some(end) if end <= file_len => Ok(metadata),
        _ => Err(GgufError::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A whole file: one metadata string, one array of strings, and one F32 tensor of 8 elements.
    fn small_file() -> Vec<u8> {
        small_file_with(&[])
    }

    /// The same with one more metadata entry.
    fn small_file_with(entry: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let string = |file: &mut Vec<u8>, text: &str| {
            file.extend((text.len() as u64).to_le_bytes());
            file.extend(text.as_bytes());
        };
        file.extend(MAGIC);
        file.extend(3_u32.to_le_bytes());
        file.extend(1_u64.to_le_bytes());
        file.extend((2 + u64::from(!entry.is_empty())).to_le_bytes());
        string(&mut file, "general.architecture");
        file.extend(8_u32.to_le_bytes());
        string(&mut file, "llama");
        string(&mut file, "tokenizer.ggml.tokens");
        file.extend(9_u32.to_le_bytes());
        file.extend(8_u32.to_le_bytes());
        file.extend(2_u64.to_le_bytes());
        string(&mut file, "a");
        string(&mut file, "b");
        file.extend(entry);
        string(&mut file, "output.weight");
        file.extend(1_u32.to_le_bytes());
        file.extend(8_u64.to_le_bytes());
        file.extend(0_u32.to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend([0; 32]);
        file
    }

    fn check_bytes(file: &[u8]) -> Result<Metadata, GgufError> {
        read_header(file, file.len() as u64)
    }

    #[test]
    fn a_whole_file_passes() {
        let metadata = check_bytes(&small_file()).unwrap();

        assert_eq!((metadata.architecture.as_str(), metadata.parameters), ("llama", 8));
        assert_eq!((metadata.context_length, metadata.is_embedding), (None, false));
    }

    #[test]
    fn heads_are_read_whether_they_stand_there_once_or_for_each_layer() {
        let heads = |value: &[u8]| {
            let key = b"llama.attention.head_count_kv";
            let entry = [&(key.len() as u64).to_le_bytes(), &key[..], value].concat();
            check_bytes(&small_file_with(&entry)).unwrap().shape.kv_heads
        };
        let once = [&4_u32.to_le_bytes()[..], &3_u32.to_le_bytes()].concat();
        let each = [&9_u32.to_le_bytes()[..], &5_u32.to_le_bytes(), &2_u64.to_le_bytes(), &[2, 0, 0, 0, 3, 0, 0, 0]];

        assert_eq!(heads(&once), [3]);
        assert_eq!(heads(&each.concat()), [2, 3]);
    }

    #[test]
    fn a_name_that_is_too_long_is_refused_without_being_read() {
        let mut file = small_file();
        let len = 1_u64 << 20;
        file[24..32].copy_from_slice(&len.to_le_bytes());
        file.resize(2 << 20, b'x');

        assert!(matches!(check_bytes(&file), Err(GgufError::Damaged(_))));
    }

    #[test]
    fn another_kind_of_file_is_not_gguf() {
        assert!(matches!(check_bytes(b"<!doctype html>"), Err(GgufError::NotGguf)));
        assert!(matches!(check_bytes(b""), Err(GgufError::NotGguf)));
    }

    #[test]
    fn a_count_that_overflows_is_refused_without_being_allocated() {
        let mut file = small_file();
        file[8..16].copy_from_slice(&u64::MAX.to_le_bytes());

        assert!(matches!(check_bytes(&file), Err(GgufError::Truncated)));
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_is_refused(len in 0..small_file().len()) {
            prop_assert!(check_bytes(&small_file()[..len]).is_err());
        }

        #[test]
        fn no_damage_makes_the_check_panic(position in 0..small_file().len(), value: u64) {
            let mut file = small_file();
            let end = file.len().min(position + 8);
            file[position..end].copy_from_slice(&value.to_le_bytes()[..end - position]);
            let _ = check_bytes(&file);
        }
    }
}
