//! OpenAI's responses, as far as they need no memory: every request brings its whole conversation.
//!
//! <https://platform.openai.com/docs/api-reference/responses>

mod draft;
mod event;
mod request;
mod response;

pub use self::{
    draft::Draft,
    event::{EventWriter, ResponseEvent},
    request::{Echo, ResponseRequest},
    response::ResponseObject,
};
