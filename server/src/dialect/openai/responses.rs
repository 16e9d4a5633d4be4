//! OpenAI's responses, as far as they need no memory: every request brings its whole conversation.
//!
//! <https://platform.openai.com/docs/api-reference/responses>

mod event;
mod request;
mod response;

pub use self::{
    event::{ResponseEvent, ResponseWriter},
    request::{Echo, ResponseRequest},
    response::ResponseObject,
};
