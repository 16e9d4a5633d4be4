use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    draft::{Change, Draft},
    request::Echo,
    response::{OutputItem, OutputText, ResponseObject, ResponseStatus},
};
use crate::{
    dialect::{Writer, sse},
    engine::Delta,
    error::Error,
};

/// An event of a streamed response. Its type is its SSE name too.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseEvent<'a> {
    r#type: &'static str,
    /// Counts from 0.
    sequence_number: u64,
    #[serde(flatten)]
    #[schema(inline)]
    detail: EventDetail<'a>,
}

/// What an event tells, by its type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum EventDetail<'a> {
    /// `response.created`, `response.in_progress`, `response.completed`, `response.incomplete`.
    Response { response: &'a ResponseObject },
    /// `response.output_item.added`, `response.output_item.done`.
    Item { output_index: usize, item: &'a OutputItem },
    /// `response.content_part.added`, `response.content_part.done`.
    Part { item_id: &'a str, output_index: usize, content_index: usize, part: OutputText },
    /// `response.output_text.delta`.
    TextDelta {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        delta: &'a str,
        /// Always empty.
        #[schema(value_type = Vec<Object>)]
        logprobs: [(); 0],
    },
    /// `response.output_text.done`.
    TextDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        text: &'a str,
        /// Always empty.
        #[schema(value_type = Vec<Object>)]
        logprobs: [(); 0],
    },
    /// `response.function_call_arguments.delta`.
    ArgumentsDelta { item_id: &'a str, output_index: usize, delta: &'a str },
    /// `response.function_call_arguments.done`.
    ArgumentsDone { item_id: &'a str, output_index: usize, name: &'a str, arguments: &'a str },
    /// `error`: the response broke off, and no event follows.
    Error { code: &'a str, message: &'a str, param: Option<&'a str> },
}

/// Writes the events of a response.
pub struct EventWriter {
    draft: Draft,
    sequence_number: u64,
}

impl EventWriter {
    pub fn new(model: String, echo: Echo) -> Self {
        Self { draft: Draft::new(model, echo), sequence_number: 0 }
    }
}

impl Writer for EventWriter {
    fn begin(&mut self) -> Option<Bytes> {
        let mut events = Events::numbered(&mut self.sequence_number);
        for name in ["response.created", "response.in_progress"] {
            events.push(name, EventDetail::Response { response: self.draft.response() });
        }
        Some(events.bytes.into())
    }

    /// The last delta ends the response.
    fn delta(&mut self, _index: usize, delta: Delta) -> Option<Bytes> {
        let mut events = Events::numbered(&mut self.sequence_number);
        self.draft.note(delta, |change| events.push_change(change));
        (!events.bytes.is_empty()).then(|| events.bytes.into())
    }

    fn error(&mut self, error: &Error) -> Bytes {
        let mut events = Events::numbered(&mut self.sequence_number);
        let detail = EventDetail::Error { code: error.code, message: &error.message, param: error.param.as_deref() };
        events.push("error", detail);
        events.bytes.into()
    }
}

/// Events that go out together.
struct Events<'a> {
    bytes: String,
    sequence_number: &'a mut u64,
}

impl<'a> Events<'a> {
    fn numbered(sequence_number: &'a mut u64) -> Self {
        Self { bytes: String::new(), sequence_number }
    }

    fn push_change(&mut self, change: Change<'_>) {
        let content_index = 0;
        match change {
            Change::Opened { index: output_index, id } => {
                let item = &OutputItem::message(id.to_owned(), ResponseStatus::InProgress, Vec::new());
                self.push("response.output_item.added", EventDetail::Item { output_index, item });
                let part = String::new().into();
                let part = EventDetail::Part { item_id: id, output_index, content_index, part };
                self.push("response.content_part.added", part);
            }
            Change::Said { index: output_index, id: item_id, text: delta } => {
                let said = EventDetail::TextDelta { item_id, output_index, content_index, delta, logprobs: [] };
                self.push("response.output_text.delta", said);
            }
            Change::Closed { index: output_index, id: item_id, text, item } => {
                let said = EventDetail::TextDone { item_id, output_index, content_index, text, logprobs: [] };
                self.push("response.output_text.done", said);
                let part = text.to_owned().into();
                let part = EventDetail::Part { item_id, output_index, content_index, part };
                self.push("response.content_part.done", part);
                self.push("response.output_item.done", EventDetail::Item { output_index, item });
            }
            Change::Called { index: output_index, id: item_id, call, item } => {
                let (name, arguments) = (call.name.as_str(), call.arguments.as_str());
                let added = &OutputItem::call(item_id.to_owned(), ResponseStatus::InProgress, call, String::new());
                self.push("response.output_item.added", EventDetail::Item { output_index, item: added });
                let delta = EventDetail::ArgumentsDelta { item_id, output_index, delta: arguments };
                self.push("response.function_call_arguments.delta", delta);
                let done = EventDetail::ArgumentsDone { item_id, output_index, name, arguments };
                self.push("response.function_call_arguments.done", done);
                self.push("response.output_item.done", EventDetail::Item { output_index, item });
            }
            Change::Ended(response) => {
                let name = match response.status {
                    ResponseStatus::Incomplete => "response.incomplete",
                    ResponseStatus::InProgress | ResponseStatus::Completed => "response.completed",
                };
                self.push(name, EventDetail::Response { response });
            }
        }
    }

    fn push(&mut self, name: &'static str, detail: EventDetail<'_>) {
        let event = ResponseEvent { r#type: name, sequence_number: *self.sequence_number, detail };
        *self.sequence_number += 1;
        let json = serde_json::to_string(&event).expect("structs of texts and numbers are JSON");
        sse::push_named_event(&mut self.bytes, name, &json);
    }
}
