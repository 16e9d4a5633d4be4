//! Server-Sent Events: how one event looks on the wire, and how a response that sends them stays open.
//!
//! Errors are data like everything else, because an `event:` or `error:` field is invisible to most clients.

use std::{convert::Infallible, fmt::Write, pin::pin, time::Duration};

use async_stream::stream;
use axum::{
    body::{Body, Bytes},
    http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};
use tokio::time::timeout;

/// Proxies cut connections that are silent for a minute; a comment in between keeps them open and reaches no client code.
const SILENCE: Duration = Duration::from_secs(15);
const COMMENT: Bytes = Bytes::from_static(b": ka\n\n");

/// One event. A reader gets `data` as it is, except that the format knows one line end only: CR and CRLF arrive as LF.
/// JSON holds neither, so it arrives unchanged.
pub fn event_bytes(id: Option<u64>, data: &str) -> Bytes {
    let mut event = String::with_capacity(data.len() + 32);
    if let Some(id) = id {
        writeln!(event, "id: {id}").expect("writing to a string");
    }
    for line in data.replace("\r\n", "\n").split(['\r', '\n']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    Bytes::from(event)
}

/// One event with a name, as the few formats have it that tell their clients twice what an event is.
pub fn named_event_bytes(name: &str, data: &str) -> Bytes {
    Bytes::from([format!("event: {name}\n").as_bytes(), &event_bytes(None, data)].concat())
}

/// The same events, with a comment after every 15 seconds in which there was none.
pub fn keep_alive(events: impl Stream<Item = Bytes>) -> impl Stream<Item = Bytes> {
    stream! {
        let mut events = pin!(events);
        loop {
            match timeout(SILENCE, events.next()).await {
                Ok(Some(event)) => yield event,
                Ok(None) => break,
                Err(_) => yield COMMENT,
            }
        }
    }
}

/// The same events, with `comments` before the first of them. A comment reaches no client code.
pub fn with_comments(
    events: impl Stream<Item = Bytes>,
    comments: impl Stream<Item = String>,
) -> impl Stream<Item = Bytes> {
    stream! {
        let (mut events, mut comments) = (pin!(events), pin!(comments));
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    let Some(event) = event else { return };
                    yield event;
                    break;
                }
                Some(comment) = comments.next() => yield Bytes::from(format!(": {comment}\n\n")),
            }
        }
        while let Some(event) = events.next().await {
            yield event;
        }
    }
}

/// A response that sends `events` as they come, kept alive in between. The client's leaving drops them.
pub fn response(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-store"),
        // nginx would otherwise hold events back to fill its buffer.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(keep_alive(events).map(Ok::<_, Infallible>))).into_response()
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use proptest::prelude::*;
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What a client understands of a stream: the format's specification, section "event stream interpretation".
    #[derive(Default)]
    struct Reader {
        line: Vec<u8>,
        after_cr: bool,
        id: String,
        data: Vec<String>,
        events: Vec<(String, String)>,
    }

    impl Reader {
        fn read(bytes: &[u8]) -> Vec<(String, String)> {
            let mut reader = Self::default();
            // Byte by byte: whatever a network does to packets, this is the worst of it.
            bytes.iter().for_each(|byte| reader.push(*byte));
            reader.events
        }

        fn push(&mut self, byte: u8) {
            let second_half_of_crlf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                b'\n' if second_half_of_crlf => {}
                b'\n' | b'\r' => {
                    let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    self.line_ended(&line);
                }
                byte => self.line.push(byte),
            }
        }

        fn line_ended(&mut self, line: &str) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() && !self.data.is_empty() => {
                    self.events.push((self.id.clone(), std::mem::take(&mut self.data).join("\n")));
                }
                "data" => self.data.push(value.to_owned()),
                "id" => value.clone_into(&mut self.id),
                _ => {}
            }
        }
    }

    /// Texts with everything that ends a line somewhere, or looks like a field, or takes several bytes.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\r\n".to_owned()),
            Just("\u{2028}".to_owned()),
            Just("\u{feff}".to_owned()),
            Just("data: ".to_owned()),
            Just(": ka\n\n".to_owned()),
            Just("🦊".to_owned()),
            any::<String>(),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_with_its_lines_ended_by_lf(texts in proptest::collection::vec(text(), 0..5)) {
            let wire: Vec<u8> = texts.iter().flat_map(|text| event_bytes(None, text)).collect();
            let expected: Vec<_> =
                texts.iter().map(|text| (String::new(), text.replace("\r\n", "\n").replace('\r', "\n"))).collect();
            prop_assert_eq!(Reader::read(&wire), expected);
        }

        #[test]
        fn any_json_is_read_back_unchanged_with_its_id(id: u64, text in text()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(Reader::read(&event_bytes(Some(id), &json)), vec![(id.to_string(), json)]);
        }
    }

    #[test]
    fn an_event_is_an_id_line_a_data_line_and_an_empty_line() {
        assert_eq!(event_bytes(Some(7), "{\"type\":\"delta\"}"), "id: 7\ndata: {\"type\":\"delta\"}\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_a_comment_every_fifteen_seconds() {
        let slow = stream::once(async {
            sleep(Duration::from_secs(40)).await;
            event_bytes(None, "late")
        });
        let started = Instant::now();
        let sent: Vec<_> = keep_alive(slow).map(|bytes| (started.elapsed().as_secs(), bytes)).collect().await;
        assert_eq!(sent, [(15, COMMENT), (30, COMMENT), (40, Bytes::from("data: late\n\n"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_keeps_talking_gets_no_comments() {
        let events = stream::iter(0..100).then(|number| async move {
            sleep(Duration::from_secs(14)).await;
            event_bytes(None, &number.to_string())
        });
        let sent: Vec<_> = keep_alive(events).collect().await;
        assert_eq!(sent.len(), 100);
    }
}
