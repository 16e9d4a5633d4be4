//! Values of metadata. A value of another type than expected is skipped: it is llama.cpp that refuses it.

use std::io::Read;

use super::{GgufError, header::Header};

// The types that are looked at, as numbered in the file.
const U32: u32 = 4;
const I32: u32 = 5;
const BOOL: u32 = 7;
const STRING: u32 = 8;
pub const ARRAY: u32 = 9;
const U64: u32 = 10;

/// llama.cpp's `LLAMA_MAX_LAYERS`.
const MAX_LAYERS: u64 = 512;
/// The longest chat templates have some ten thousand bytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

impl<R: Read> Header<R> {
    /// The value if it is a string of a length that a text can have.
    pub fn text(&mut self, kind: u32) -> Result<Option<String>, GgufError> {
        if kind != STRING {
            return self.skip_value(kind).map(|()| None);
        }
        match self.count(1)? {
            len if len <= MAX_TEXT_BYTES => self.string(len).map(Some),
            len => self.skip(len).map(|()| None),
        }
    }

    /// The value if it is a whole number of 0 or more.
    pub fn number(&mut self, kind: u32) -> Result<Option<u64>, GgufError> {
        match kind {
            U32 => Ok(Some(self.u32()?.into())),
            U64 => self.u64().map(Some),
            _ => self.skip_value(kind).map(|()| None),
        }
    }

    /// The value if it is yes or no.
    pub fn flag(&mut self, kind: u32) -> Result<Option<bool>, GgufError> {
        match kind {
            BOOL => self.bytes().map(|[byte]| Some(byte != 0)),
            _ => self.skip_value(kind).map(|()| None),
        }
    }

    /// The whole numbers of a value that some files write once and some for each layer; none where it is neither.
    pub fn numbers(&mut self, kind: u32) -> Result<Vec<u64>, GgufError> {
        if kind != ARRAY {
            return Ok(self.number(kind)?.into_iter().collect());
        }
        match (self.u32()?, self.count(4)?) {
            // Numbers of heads: files have them signed too.
            (U32 | I32, count) if count <= MAX_LAYERS => (0..count).map(|_| self.u32().map(u64::from)).collect(),
            (kind, count) => self.skip_values(kind, count).map(|()| Vec::new()),
        }
    }

    pub fn skip_value(&mut self, kind: u32) -> Result<(), GgufError> {
        match kind {
            STRING => {
                let len = self.count(1)?;
                self.skip(len)
            }
            ARRAY => self.skip_array().map(drop),
            scalar => self.skip(width(scalar)?),
        }
    }

    /// Returns how many values there were.
    pub fn skip_array(&mut self) -> Result<u64, GgufError> {
        let kind = self.u32()?;
        let count = self.count(1)?;
        self.skip_values(kind, count)?;
        Ok(count)
    }

    fn skip_values(&mut self, kind: u32, count: u64) -> Result<(), GgufError> {
        if kind == STRING {
            return (0..count).try_for_each(|_| self.skip_value(STRING));
        }
        let width = width(kind)?;
        self.skip(count.checked_mul(width).ok_or(GgufError::Truncated)?)
    }
}

/// Bytes of one value of a type of fixed width.
fn width(kind: u32) -> Result<u64, GgufError> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        _ => Err(GgufError::Damaged("a metadata value has an unknown type")),
    }
}
