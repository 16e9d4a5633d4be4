//! Reads Server-Sent Events and lines of JSON as they arrive, in pieces of any size.

use crate::{Error, ErrorKind, Result};

/// One event, or one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub id: Option<String>,
    pub data: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Events,
    Lines,
}

impl Format {
    /// By the response's content type.
    pub(crate) fn of(response: &reqwest::Response) -> Self {
        let content_type = response.headers().get(reqwest::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("text/event-stream") { Self::Events } else { Self::Lines }
    }
}

/// No piece of an answer is as long as this; whoever sends more is not a Flotilla.
const MAX_BYTES: usize = 8 * 1024 * 1024;

pub(crate) struct Pieces {
    format: Format,
    line: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
}

impl Pieces {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, line: Vec::new(), id: None, data: None }
    }

    /// What is complete with these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > MAX_BYTES {
                let message = "The answer has a line without an end. Check that the address is a Flotilla's.";
                return Err(Error::lasting(ErrorKind::ClusterFailed, message));
            }
            if part.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                pieces.extend(self.line_ended(line.trim_end_matches(['\n', '\r'])));
            }
        }
        Ok(pieces)
    }

    fn line_ended(&mut self, line: &str) -> Option<Piece> {
        if self.format == Format::Lines {
            return (!line.trim().is_empty()).then(|| Piece { id: None, data: line.to_owned() });
        }
        if line.is_empty() {
            return self.data.take().map(|data| Piece { id: self.id.clone(), data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" => self.id = Some(value.to_owned()),
            // A comment, which keeps the connection open, has no field name.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(format: Format, bytes: &[u8], size: usize) -> Vec<(Option<String>, String)> {
        let mut pieces = Pieces::new(format);
        let parts = bytes.chunks(size).flat_map(|part| pieces.push(part).unwrap());
        parts.map(|piece| (piece.id, piece.data)).collect()
    }

    #[test]
    fn events_are_read_whole_however_the_network_cuts_them() {
        let bytes = "id: 1\ndata: {\"a\":\"🦊\"}\n\n: ka\n\nid: 2\r\ndata: x\r\ndata: y\r\n\r\ndata: cut".as_bytes();
        let expected = [(Some("1".to_owned()), "{\"a\":\"🦊\"}".to_owned()), (Some("2".to_owned()), "x\ny".to_owned())];
        for size in 1..bytes.len() {
            assert_eq!(read(Format::Events, bytes, size), expected);
        }
    }

    #[test]
    fn lines_are_read_whole_however_the_network_cuts_them() {
        let bytes = b"{\"done\":false}\n\n{\"done\":true}\n";
        for size in 1..bytes.len() {
            let texts: Vec<_> = read(Format::Lines, bytes, size).into_iter().map(|(_, data)| data).collect();
            assert_eq!(texts, ["{\"done\":false}", "{\"done\":true}"]);
        }
    }

    #[test]
    fn a_line_without_an_end_is_an_error_and_not_a_full_memory() {
        let mut pieces = Pieces::new(Format::Lines);
        let flood = vec![b'x'; 1024 * 1024];
        let error = (0..10).find_map(|_| pieces.push(&flood).err()).unwrap();
        assert_eq!(error.kind, ErrorKind::ClusterFailed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, size in 1..32usize) {
            read(Format::Events, &bytes, size);
            read(Format::Lines, &bytes, size);
        }
    }
}
