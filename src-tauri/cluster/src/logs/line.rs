//! Lines of a container's log: bounded, since a container may write anything.

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::jiff::Timestamp;

/// What is longer is cut off: nobody reads it in a list, and one line must not fill the memory.
const MAX_BYTES: usize = 16 * 1024;

pub(super) struct Lines<S> {
    stream: S,
}

impl<S: AsyncBufRead + Unpin> Lines<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream }
    }

    /// The next line without its end; `None` after the last one.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<String>> {
        let mut line = Vec::new();
        let mut cut = false;
        loop {
            let buffer = self.stream.fill_buf().await?;
            if buffer.is_empty() {
                return Ok((!line.is_empty()).then(|| text(line, cut)));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = MAX_BYTES - line.len();
            cut |= part.len() > room;
            line.extend_from_slice(&part[..part.len().min(room)]);
            let consumed = end.map_or(buffer.len(), |end| end + 1);
            self.stream.consume_unpin(consumed);
            if end.is_some() {
                return Ok(Some(text(line, cut)));
            }
        }
    }
}

fn text(mut line: Vec<u8>, cut: bool) -> String {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    let mut text = String::from_utf8_lossy(&line).into_owned();
    if cut {
        text.push('…');
    }
    text
}

/// The time stamp that the API server puts before each line, and the line.
pub(super) fn split(line: &str) -> (Option<Timestamp>, &str) {
    let (stamp, text) = line.split_once(' ').unwrap_or((line, ""));
    match stamp.parse() {
        Ok(at) => (Some(at), text),
        // The kubelet's own remarks, such as a missing file, come without one.
        Err(_) => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use futures::io::{BufReader, Cursor};
    use proptest::prelude::*;

    use super::*;

    async fn lines(bytes: &[u8], buffer: usize) -> Vec<String> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, Cursor::new(bytes)));
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_are_whole_however_the_network_cuts_them() {
        for buffer in [1, 2, 3, 64] {
            assert_eq!(lines("a\r\n\nb 🦊\nlast".as_bytes(), buffer).await, ["a", "", "b 🦊", "last"]);
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut bytes = vec![b'x'; 1_000_000];
        bytes.extend(b"\nnext\n");
        let lines = lines(&bytes, 8192).await;
        assert_eq!(lines[0].len(), MAX_BYTES + '…'.len_utf8());
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn the_time_stamp_is_split_off_and_a_line_without_one_stays_whole() {
        let (at, text) = split("2025-11-24T20:30:45.123456789Z started  well");
        assert_eq!((at.map(Timestamp::as_millisecond), text), (Some(1_764_016_245_123), "started  well"));
        assert_eq!(split("2025-11-24T20:30:45Z "), ("2025-11-24T20:30:45Z".parse().ok(), ""));
        assert_eq!(split("unable to retrieve logs"), (None, "unable to retrieve logs"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, buffer in 1..64usize) {
            let count = bytes.iter().filter(|byte| **byte == b'\n').count();
            let lines = futures::executor::block_on(lines(&bytes, buffer));
            prop_assert!(lines.len() == count || lines.len() == count + 1);
        }
    }
}
