use std::io::Read;

use super::{GgufError, header::Header};

/// Bytes that a tensor's entry takes at least: a name length, a dimension count, a type and an offset.
pub const MIN_ENTRY: u64 = 8 + 4 + 4 + 8;
const MAX_DIMENSIONS: u32 = 4;

/// What the header says of one tensor.
pub struct Tensor {
    pub elements: u64,
    /// In bytes from the start of the tensor data.
    pub end: u64,
}

impl<R: Read> Header<R> {
    pub fn tensor(&mut self) -> Result<Tensor, GgufError> {
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
