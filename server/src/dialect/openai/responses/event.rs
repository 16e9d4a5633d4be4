use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    request::Echo,
    response::{OutputItem, OutputText, ResponseObject, ResponseStatus},
};
use crate::{
    dialect::{
        openai::{chunk::concat, response::new_id},
        sse,
    },
    engine::{Completion, Delta, ToolCall},
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
    Item { output_index: usize, item: OutputItem },
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

/// Puts a response together while it is written: whole with [`Self::finish`], or as events with `begin`, `delta` and, when it
/// breaks off, `error`.
pub struct ResponseWriter {
    response: ResponseObject,
    sequence_number: u64,
    /// The message that is being written: its id and the text so far.
    message: Option<(String, String)>,
}

impl ResponseWriter {
    pub fn new(model: String, echo: Echo) -> Self {
        Self { response: ResponseObject::begun(model, echo), sequence_number: 0, message: None }
    }

    /// The first two events.
    pub fn begin(&mut self) -> Bytes {
        concat([self.response_event("response.created"), self.response_event("response.in_progress")])
    }

    /// The events for what the answer goes on with; the last delta ends the response.
    pub fn delta(&mut self, delta: Delta) -> Bytes {
        match delta {
            Delta::Logprobs(_) => Bytes::new(),
            Delta::Text(piece) => self.text(&piece.text),
            Delta::ToolCall(call) => concat([self.close_message(), self.call(&call)]),
            Delta::Done(completion) => self.end(completion),
        }
    }

    /// The last event of a response that broke off.
    pub fn error(&mut self, error: &Error) -> Bytes {
        let detail = EventDetail::Error { code: error.code, message: &error.message, param: error.param.as_deref() };
        next_event(&mut self.sequence_number, "error", detail)
    }

    /// The whole response, after its last delta.
    pub fn into_response(self) -> ResponseObject {
        self.response
    }

    fn text(&mut self, delta: &str) -> Bytes {
        let opened = self.open_message();
        let output_index = self.response.output.len();
        let Some((id, text)) = &mut self.message else { return opened };
        text.push_str(delta);
        let detail = EventDetail::TextDelta { item_id: id, output_index, content_index: 0, delta, logprobs: [] };
        concat([opened, next_event(&mut self.sequence_number, "response.output_text.delta", detail)])
    }

    fn open_message(&mut self) -> Bytes {
        if self.message.is_some() {
            return Bytes::new();
        }
        let output_index = self.response.output.len();
        let id = new_id("msg_");
        let item = OutputItem::message(id.clone(), ResponseStatus::InProgress, Vec::new());
        let part = OutputText::from(String::new());
        let number = &mut self.sequence_number;
        let events = [
            next_event(number, "response.output_item.added", EventDetail::Item { output_index, item }),
            next_event(
                number,
                "response.content_part.added",
                EventDetail::Part { item_id: &id, output_index, content_index: 0, part },
            ),
        ];
        self.message = Some((id, String::new()));
        concat(events)
    }

    fn close_message(&mut self) -> Bytes {
        let Some((id, text)) = self.message.take() else { return Bytes::new() };
        let output_index = self.response.output.len();
        let part = OutputText::from(text.clone());
        let item = OutputItem::message(id.clone(), ResponseStatus::Completed, vec![part.clone()]);
        self.response.output.push(item.clone());
        let number = &mut self.sequence_number;
        let done = EventDetail::TextDone { item_id: &id, output_index, content_index: 0, text: &text, logprobs: [] };
        concat([
            next_event(number, "response.output_text.done", done),
            next_event(
                number,
                "response.content_part.done",
                EventDetail::Part { item_id: &id, output_index, content_index: 0, part },
            ),
            next_event(number, "response.output_item.done", EventDetail::Item { output_index, item }),
        ])
    }

    fn call(&mut self, call: &ToolCall) -> Bytes {
        let output_index = self.response.output.len();
        let id = new_id("fc_");
        let added = OutputItem::call(id.clone(), ResponseStatus::InProgress, call, String::new());
        let item = OutputItem::call(id.clone(), ResponseStatus::Completed, call, call.arguments.clone());
        self.response.output.push(item.clone());
        let (number, item_id, arguments) = (&mut self.sequence_number, id.as_str(), call.arguments.as_str());
        let delta = EventDetail::ArgumentsDelta { item_id, output_index, delta: arguments };
        let done = EventDetail::ArgumentsDone { item_id, output_index, name: &call.name, arguments };
        concat([
            next_event(number, "response.output_item.added", EventDetail::Item { output_index, item: added }),
            next_event(number, "response.function_call_arguments.delta", delta),
            next_event(number, "response.function_call_arguments.done", done),
            next_event(number, "response.output_item.done", EventDetail::Item { output_index, item }),
        ])
    }

    fn end(&mut self, completion: Completion) -> Bytes {
        // A model that says nothing still gives a message, as OpenAI's do.
        let opened = if self.response.output.is_empty() { self.open_message() } else { Bytes::new() };
        let closed = self.close_message();
        self.response.end(completion);
        let name = match self.response.status {
            ResponseStatus::Incomplete => "response.incomplete",
            ResponseStatus::InProgress | ResponseStatus::Completed => "response.completed",
        };
        concat([opened, closed, self.response_event(name)])
    }

    fn response_event(&mut self, name: &'static str) -> Bytes {
        next_event(&mut self.sequence_number, name, EventDetail::Response { response: &self.response })
    }
}

fn next_event(sequence_number: &mut u64, name: &'static str, detail: EventDetail<'_>) -> Bytes {
    let event = ResponseEvent { r#type: name, sequence_number: *sequence_number, detail };
    *sequence_number += 1;
    sse::named_event_bytes(name, &serde_json::to_string(&event).expect("structs of texts and numbers are JSON"))
}
