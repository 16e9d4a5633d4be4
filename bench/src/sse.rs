//! Splits the bytes of a `text/event-stream` into the data of its events.

/// Collects bytes until an event is complete.
#[derive(Default)]
pub struct EventDecoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were handed out already.
    taken: usize,
    last_id: usize,
}

impl EventDecoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The number of the event whose data came last; 0 where events have none.
    pub fn last_id(&self) -> usize {
        self.last_id
    }

    /// The next line of data. Comments and names are skipped; every server of this API writes one line an event.
    pub fn next_data(&mut self) -> Option<&[u8]> {
        loop {
            let start = self.taken;
            let end = start + self.buffer[start..].iter().position(|&byte| byte == b'\n')?;
            self.taken = end + 1;
            if let Some(id) = self.buffer[start..end].strip_prefix(b"id:") {
                self.last_id = str::from_utf8(id).ok().and_then(|id| id.trim().parse().ok()).unwrap_or_default();
            }
            if self.buffer[start..end].starts_with(b"data:") {
                return Some(self.buffer[start + b"data:".len()..end].trim_ascii());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_appears_when_its_line_is_complete() {
        let mut decoder = EventDecoder::default();

        decoder.push(b": ka\n\ndata: {\"a\"");
        assert_eq!(decoder.next_data(), None);

        decoder.push(b":1}\r\n\r\nid: 2\ndata:[DONE]\n\n");
        assert_eq!(decoder.next_data(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(decoder.last_id(), 0);
        assert_eq!(decoder.next_data(), Some(&b"[DONE]"[..]));
        assert_eq!(decoder.last_id(), 2);
        assert_eq!(decoder.next_data(), None);
    }
}
