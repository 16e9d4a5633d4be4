//! Puts tokens' bytes together into whole UTF-8: one character may be spread over several tokens.

/// Collects bytes and gives back the characters that are complete.
#[derive(Debug, Default)]
pub struct Utf8Assembler {
    pending: Vec<u8>,
}

impl Utf8Assembler {
    /// The text that `bytes` complete. Bytes that can never become a character turn into U+FFFD.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let complete = self.pending.len() - incomplete_tail(&self.pending);
        let text = String::from_utf8_lossy(&self.pending[..complete]).into_owned();
        self.pending.drain(..complete);
        text
    }

    /// What is left when no more bytes come: U+FFFD for an unfinished character.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Bytes at the end that are the beginning of a character whose rest may still come.
fn incomplete_tail(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(_) => return 0,
            Err(error) => match error.error_len() {
                Some(invalid) => rest = &rest[error.valid_up_to() + invalid..],
                None => return rest.len() - error.valid_up_to(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_character_appears_when_its_last_byte_does() {
        let mut assembler = Utf8Assembler::default();

        assert_eq!(assembler.push(b"a\xf0\x9f"), "a");
        assert_eq!(assembler.push(b"\xa6"), "");
        assert_eq!(assembler.push(b"\x80b"), "🦀b");
    }

    #[test]
    fn an_unfinished_character_at_the_end_is_replaced() {
        let mut assembler = Utf8Assembler::default();

        assert_eq!(assembler.push(b"ok\xe2\x82"), "ok");
        assert_eq!(assembler.finish(), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn pieces_of_any_bytes_give_what_the_whole_gives(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..8)) {
            let mut assembler = Utf8Assembler::default();
            let mut text: String = pieces.iter().map(|piece| assembler.push(piece)).collect();
            text += &assembler.finish();
            let bytes = pieces.concat();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
