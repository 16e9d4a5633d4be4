//! Server-sent events as OpenAI-compatible servers write them. Lines end with LF or CRLF.

use super::super::{EngineError, upstream::MAX_LINE_BYTES};

/// Puts events together from their lines. Only their data is kept.
#[derive(Debug, Default)]
pub struct EventDecoder {
    data: Option<Vec<u8>>,
}

impl EventDecoder {
    /// Takes the next line, without its line feed. The blank line after an event gives the event's data.
    pub fn push(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(self.data.take());
        }
        // Comments, `event:` and `id:` say nothing that the data does not.
        let Some(value) = line.strip_prefix(b"data:") else {
            return Ok(None);
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut self.data {
            None => self.data = Some(value.to_vec()),
            Some(data) if data.len() + value.len() >= MAX_LINE_BYTES => {
                tracing::warn!("an answer has an event that is too long");
                return Err(EngineError::Interrupted);
            }
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<String> {
        let mut decoder = EventDecoder::default();
        let events = text.split('\n').filter_map(|line| decoder.push(line.as_bytes()).unwrap());
        events.map(|data| String::from_utf8(data).unwrap()).collect()
    }

    #[test]
    fn a_blank_line_ends_an_event() {
        assert_eq!(decode("data: one\n\ndata:two\n\n"), ["one", "two"]);
    }

    #[test]
    fn an_event_without_its_blank_line_is_not_an_event() {
        assert_eq!(decode("data: one\n\ndata: tw"), ["one"]);
    }

    #[test]
    fn several_data_lines_are_one_event() {
        assert_eq!(decode("data: {\ndata: }\n\n"), ["{\n}"]);
    }

    #[test]
    fn comments_and_other_fields_are_skipped() {
        assert_eq!(decode(": keep-alive\n\nevent: message\nid: 7\ndata: one\n\n"), ["one"]);
    }

    #[test]
    fn carriage_returns_belong_to_the_line_end() {
        assert_eq!(decode("data: one\r\n\r\n"), ["one"]);
    }

    #[test]
    fn an_event_of_endless_lines_is_refused() {
        let mut decoder = EventDecoder::default();
        let line = [b"data:".as_slice(), &[b'x'; 1000]].concat();

        assert!((0..2000).any(|_| decoder.push(&line).is_err()));
    }
}
