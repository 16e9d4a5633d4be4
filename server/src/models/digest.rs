//! The digest that a registry names a file by.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256, written `sha256:` and 64 hexadecimal digits in lower case. Nothing else becomes one: in CVE-2024-37032 and
/// CVE-2026-103663 a registry's "digest" was used as a path as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// `sha256:…`, as OCI registries write it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_hex(text.strip_prefix("sha256:")?)
    }

    /// The digits alone, as Hugging Face writes them.
    pub fn parse_hex(digits: &str) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 64 || !digits.as_bytes().iter().all(is_digit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a file, read from its beginning to its end. Blocks.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self(hasher.finalize().into())),
                length => hasher.update(&buffer[..length]),
            }
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{self:x}")
    }
}

/// The digits alone.
impl fmt::LowerHex for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_is_read_and_written_the_same() {
        assert_eq!(Digest::parse(EMPTY).unwrap().to_string(), EMPTY);
    }

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, "").unwrap();

        assert_eq!(Digest::of_file(&path).unwrap(), Digest::parse(EMPTY).unwrap());
        assert_eq!(Digest::of(b""), Digest::parse(EMPTY).unwrap());
    }

    #[test]
    fn hostile_digests_are_refused() {
        let hex = &EMPTY["sha256:".len()..];
        let traversal = format!("sha256:{}", "../".repeat(21) + "x");
        let cases = [
            String::new(),
            "sha256:".to_owned(),
            hex.to_owned(),
            format!("sha256-{hex}"),
            format!("SHA256:{hex}"),
            format!("sha512:{hex}"),
            format!("sha256:sha256:{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha256:{hex}\n"),
            format!("sha256: {hex}"),
            format!(" sha256:{hex}"),
            format!("sha256:{}\0", &hex[1..]),
            format!("sha256:{}/", &hex[1..]),
            format!("sha256:../{}", &hex[3..]),
            format!("sha256:/{}", &hex[1..]),
            format!("sha256:{}%2e%2e", &hex[6..]),
            format!("sha256:{}g", &hex[1..]),
            format!("sha256:+{}", &hex[1..]),
            format!("sha256:{}é", &hex[2..]),
            format!("sha256:{}", "０".repeat(64)),
            "sha256:../../../../../../etc/passwd".to_owned(),
            "../../../../../../../../etc/passwd".to_owned(),
            traversal,
        ];
        for text in cases {
            assert_eq!(Digest::parse(&text), None, "{text:?}");
        }
    }
}
