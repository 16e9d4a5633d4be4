//! Looks a GGUF file over before llama.cpp reads it, and says what is in it.
//!
//! llama.cpp's own reader has had integer overflows on crafted headers (CVE-2025-53630, CVE-2026-27940), and it says little
//! to the user about a download that was cut short. Every count and length here is checked against what is left of the file.
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use thiserror::Error;

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
const MAX_DIMENSIONS: u32 = 4;
/// llama.cpp's `LLAMA_MAX_LAYERS`.
const MAX_LAYERS: u64 = 512;
/// The format's limit for keys; names of tensors are much shorter.
const MAX_NAME_BYTES: u64 = (1 << 16) - 1;
/// The longest chat templates have some ten thousand bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// A tensor's entry takes at least a name length, a dimension count, a type and an offset.
const MIN_TENSOR_ENTRY: u64 = 8 + 4 + 4 + 8;
/// A metadata entry takes at least a key length, a type and one byte of value.
const MIN_METADATA_ENTRY: u64 = 8 + 4 + 1;

fn read_header(reader: impl Read, file_len: u64) -> Result<Metadata, GgufError> {
    let mut header = Header { reader, position: 0, file_len };

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
    let tensors = header.count(MIN_TENSOR_ENTRY)?;
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
            "tokenizer.ggml.tokens" if kind == value_type::ARRAY => metadata.shape.vocabulary = header.skip_array()?,
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
    let data_start = header.position.checked_next_multiple_of(alignment).ok_or(GgufError::Truncated)?;
    match data_start.checked_add(data_len) {
        Some(end) if end <= file_len => Ok(metadata),
        _ => Err(GgufError::Truncated),
    }
}

struct Tensor {
    elements: u64,
    /// In bytes from the start of the tensor data.
    end: u64,
}

/// The part of the file that has been read, and how much there is in all.
struct Header<R> {
    reader: R,
    position: u64,
    file_len: u64,
}

impl<R: Read> Header<R> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A number of things that take at least `min_len` bytes each.
    fn count(&mut self, min_len: u64) -> Result<u64, GgufError> {
        let count = self.u64()?;
        match count.checked_mul(min_len) {
            Some(len) if len <= self.file_len - self.position.min(self.file_len) => Ok(count),
            _ => Err(GgufError::Truncated),
        }
    }

    fn skip(&mut self, len: u64) -> Result<(), GgufError> {
        let skipped = io::copy(&mut self.reader.by_ref().take(len), &mut io::sink())?;
        self.position += skipped;
        if skipped < len { Err(GgufError::Truncated) } else { Ok(()) }
    }

    fn string(&mut self, len: u64) -> Result<String, GgufError> {
        let mut bytes = Vec::new();
        self.position += self.reader.by_ref().take(len).read_to_end(&mut bytes)? as u64;
        if (bytes.len() as u64) < len {
            return Err(GgufError::Truncated);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn name(&mut self) -> Result<String, GgufError> {
        match self.count(1)? {
            len if len <= MAX_NAME_BYTES => self.string(len),
            _ => Err(GgufError::Damaged("a name in it is too long")),
        }
    }

    /// The value if it is a string of a length that a text can have.
    fn text(&mut self, kind: u32) -> Result<Option<String>, GgufError> {
        if kind != value_type::STRING {
            return self.skip_value(kind).map(|()| None);
        }
        match self.count(1)? {
            len if len <= MAX_TEXT_BYTES => self.string(len).map(Some),
            len => self.skip(len).map(|()| None),
        }
    }

    /// The value if it is a whole number of 0 or more.
    fn number(&mut self, kind: u32) -> Result<Option<u64>, GgufError> {
        match kind {
            value_type::U32 => Ok(Some(self.u32()?.into())),
            value_type::U64 => self.u64().map(Some),
            _ => self.skip_value(kind).map(|()| None),
        }
    }

    /// The value if it is yes or no.
    fn flag(&mut self, kind: u32) -> Result<Option<bool>, GgufError> {
        match kind {
            value_type::BOOL => self.bytes().map(|[byte]| Some(byte != 0)),
            _ => self.skip_value(kind).map(|()| None),
        }
    }

    /// The whole numbers of a value that some files write once and some for each layer; none where it is neither.
    fn numbers(&mut self, kind: u32) -> Result<Vec<u64>, GgufError> {
        if kind != value_type::ARRAY {
            return Ok(self.number(kind)?.into_iter().collect());
        }
        match (self.u32()?, self.count(4)?) {
            // Numbers of heads: files have them signed too.
            (value_type::U32 | value_type::I32, count) if count <= MAX_LAYERS => {
                (0..count).map(|_| self.u32().map(u64::from)).collect()
            }
            (kind, count) => self.skip_values(kind, count).map(|()| Vec::new()),
        }
    }

    fn skip_value(&mut self, kind: u32) -> Result<(), GgufError> {
        match kind {
            value_type::STRING => {
                let len = self.count(1)?;
                self.skip(len)
            }
            value_type::ARRAY => self.skip_array().map(drop),
            scalar => self.skip(value_type::width(scalar)?),
        }
    }

    /// Returns how many values there were.
    fn skip_array(&mut self) -> Result<u64, GgufError> {
        let kind = self.u32()?;
        let count = self.count(1)?;
        self.skip_values(kind, count)?;
        Ok(count)
    }

    fn skip_values(&mut self, kind: u32, count: u64) -> Result<(), GgufError> {
        if kind == value_type::STRING {
            return (0..count).try_for_each(|_| self.skip_value(value_type::STRING));
        }
        let width = value_type::width(kind)?;
        self.skip(count.checked_mul(width).ok_or(GgufError::Truncated)?)
    }

    fn tensor(&mut self) -> Result<Tensor, GgufError> {
        self.name()?;
        let dimensions = self.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(GgufError::Damaged("a tensor has too many dimensions"));
        }
        let mut elements: u64 = 1;
        for _ in 0..dimensions {
            elements = elements.checked_mul(self.u64()?).ok_or(GgufError::Damaged("a tensor is too large"))?;
        }
        let kind = self.u32()?;
        let offset = self.u64()?;
        // A type that is too new for this table is left to llama.cpp, which knows whether it can run it.
        let len = match block_layout(kind) {
            Some((block, bytes)) => elements.div_ceil(block).checked_mul(bytes),
            None => Some(0),
        };
        let end = len.and_then(|len| offset.checked_add(len)).ok_or(GgufError::Damaged("a tensor is too large"))?;
        Ok(Tensor { elements, end })
    }
}

/// The name of llama.cpp's `llama_ftype`, as people know it from file names.
pub fn quantization(file_type: u64) -> Option<&'static str> {
    Some(match file_type {
        0 => "F32",
        1 => "F16",
        2 => "Q4_0",
        3 => "Q4_1",
        7 => "Q8_0",
        8 => "Q5_0",
        9 => "Q5_1",
        10 => "Q2_K",
        11 => "Q3_K_S",
        12 => "Q3_K_M",
        13 => "Q3_K_L",
        14 => "Q4_K_S",
        15 => "Q4_K_M",
        16 => "Q5_K_S",
        17 => "Q5_K_M",
        18 => "Q6_K",
        19 => "IQ2_XXS",
        20 => "IQ2_XS",
        21 => "Q2_K_S",
        22 => "IQ3_XS",
        23 => "IQ3_XXS",
        24 => "IQ1_S",
        25 => "IQ4_NL",
        26 => "IQ3_S",
        27 => "IQ3_M",
        28 => "IQ2_S",
        29 => "IQ2_M",
        30 => "IQ4_XS",
        31 => "IQ1_M",
        32 => "BF16",
        36 => "TQ1_0",
        37 => "TQ2_0",
        38 => "MXFP4",
        _ => return None,
    })
}

/// The types of metadata values, as numbered in the file.
mod value_type {
    use super::GgufError;

    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const BOOL: u32 = 7;
    pub const STRING: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;

    /// Bytes of one value of a type of fixed width.
    pub fn width(kind: u32) -> Result<u64, GgufError> {
        match kind {
            0 | 1 | 7 => Ok(1),
            2 | 3 => Ok(2),
            4..=6 => Ok(4),
            10..=12 => Ok(8),
            _ => Err(GgufError::Damaged("a metadata value has an unknown type")),
        }
    }
}

/// How many elements a block of this tensor type holds, and how many bytes it takes.
fn block_layout(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        0 | 26 => (1, 4),
        1 | 25 | 30 => (1, 2),
        2 | 20 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        9 => (32, 36),
        10 => (256, 84),
        11 | 21 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        15 => (256, 292),
        16 | 35 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        22 => (256, 82),
        23 => (256, 136),
        24 => (1, 1),
        27 | 28 => (1, 8),
        29 => (256, 56),
        34 => (256, 54),
        39 => (32, 17),
        _ => return None,
    })
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
