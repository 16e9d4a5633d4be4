//! Reads what all parts of a header are made of. No count and no length is believed that the rest of the file cannot hold.

use std::io::{self, Read};

use super::GgufError;

/// The format's limit for keys; names of tensors are much shorter.
const MAX_NAME_BYTES: u64 = (1 << 16) - 1;

/// The part of the file that has been read, and how much there is in all.
pub struct Header<R> {
    reader: R,
    position: u64,
    file_len: u64,
}

impl<R: Read> Header<R> {
    pub fn new(reader: R, file_len: u64) -> Self {
        Self { reader, position: 0, file_len }
    }

    /// Bytes that have been read or skipped.
    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub fn u32(&mut self) -> Result<u32, GgufError> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, GgufError> {
        self.bytes().map(u64::from_le_bytes)
    }

    /// A number of things that take at least `min_len` bytes each.
    pub fn count(&mut self, min_len: u64) -> Result<u64, GgufError> {
        let count = self.u64()?;
        match count.checked_mul(min_len) {
            Some(len) if len <= self.file_len - self.position.min(self.file_len) => Ok(count),
            _ => Err(GgufError::Truncated),
        }
    }

    pub fn skip(&mut self, len: u64) -> Result<(), GgufError> {
        let skipped = io::copy(&mut self.reader.by_ref().take(len), &mut io::sink())?;
        self.position += skipped;
        if skipped < len { Err(GgufError::Truncated) } else { Ok(()) }
    }

    /// `len` has to come from [`Self::count`], which has seen that so much is left.
    pub fn string(&mut self, len: u64) -> Result<String, GgufError> {
        let mut bytes = Vec::new();
        self.position += self.reader.by_ref().take(len).read_to_end(&mut bytes)? as u64;
        if (bytes.len() as u64) < len {
            return Err(GgufError::Truncated);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A key, or the name of a tensor.
    pub fn name(&mut self) -> Result<String, GgufError> {
        match self.count(1)? {
            len if len <= MAX_NAME_BYTES => self.string(len),
            _ => Err(GgufError::Damaged("a name in it is too long")),
        }
    }
}
