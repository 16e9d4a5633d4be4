use super::{
    request::Echo,
    response::{OutputItem, OutputText, ResponseObject, ResponseStatus},
};
use crate::{
    dialect::openai::response::new_id,
    engine::{Delta, ToolCall},
};

/// A response while it is written.
pub struct Draft {
    response: ResponseObject,
    /// The message that is being written: its id and the text so far.
    message: Option<(String, String)>,
}

/// What has come to a response. `index` is the item's place in its output.
pub enum Change<'a> {
    /// A message has begun.
    Opened { index: usize, id: &'a str },
    /// A message goes on with this text.
    Said { index: usize, id: &'a str, text: &'a str },
    /// A message is whole.
    Closed { index: usize, id: &'a str, text: &'a str, item: &'a OutputItem },
    /// A function is called.
    Called { index: usize, id: &'a str, call: &'a ToolCall, item: &'a OutputItem },
    /// The response is whole.
    Ended(&'a ResponseObject),
}

impl Draft {
    pub fn new(model: String, echo: Echo) -> Self {
        Self { response: ResponseObject::begun(model, echo), message: None }
    }

    /// What there is of the response, but for the message that is being written.
    pub fn response(&self) -> &ResponseObject {
        &self.response
    }

    /// The whole response, after its last delta.
    pub fn into_response(self) -> ResponseObject {
        self.response
    }

    /// Notes what the answer goes on with, and tells each thing that comes of it. The last delta ends the response.
    pub fn note(&mut self, delta: Delta, mut tell: impl FnMut(Change<'_>)) {
        match delta {
            Delta::Reasoning(_) | Delta::Logprobs(_) => {}
            Delta::Text(piece) => self.say(&piece.text, &mut tell),
            Delta::ToolCall(call) => {
                self.close_message(&mut tell);
                self.call(&call, &mut tell);
            }
            Delta::Done(completion) => {
                // A model that says nothing still gives a message, as OpenAI's do.
                if self.response.output.is_empty() {
                    self.say("", &mut tell);
                }
                self.close_message(&mut tell);
                self.response.end(completion);
                tell(Change::Ended(&self.response));
            }
        }
    }

    fn say(&mut self, said: &str, tell: &mut impl FnMut(Change<'_>)) {
        let index = self.response.output.len();
        let (id, text) = self.message.get_or_insert_with(|| {
            let id = new_id("msg_");
            tell(Change::Opened { index, id: &id });
            (id, String::new())
        });
        if !said.is_empty() {
            text.push_str(said);
            tell(Change::Said { index, id, text: said });
        }
    }

    fn close_message(&mut self, tell: &mut impl FnMut(Change<'_>)) {
        let Some((id, text)) = self.message.take() else { return };
        let item = OutputItem::message(id.clone(), ResponseStatus::Completed, vec![OutputText::from(text.clone())]);
        tell(Change::Closed { index: self.response.output.len(), id: &id, text: &text, item: &item });
        self.response.output.push(item);
    }

    fn call(&mut self, call: &ToolCall, tell: &mut impl FnMut(Change<'_>)) {
        let id = new_id("fc_");
        let item = OutputItem::call(id.clone(), ResponseStatus::Completed, call, call.arguments.clone());
        tell(Change::Called { index: self.response.output.len(), id: &id, call, item: &item });
        self.response.output.push(item);
    }
}
