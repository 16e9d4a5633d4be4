use axum::body::Bytes;

use crate::{engine::Delta, error::Error};

/// Writes answers to one request while they come, as its clients read them: `begin`, then `delta` as often as there is one,
/// then `end`; or `error` at any point, after which nothing follows.
pub trait Writer: Send {
    /// What comes before everything else.
    fn begin(&mut self) -> Option<Bytes> {
        None
    }

    /// What the answer number `index` goes on with; nothing where there is nothing to tell yet.
    fn delta(&mut self, index: usize, delta: Delta) -> Option<Bytes>;

    /// What comes behind everything else.
    fn end(&mut self) -> Option<Bytes> {
        None
    }

    /// The last of answers that broke off.
    fn error(&mut self, error: &Error) -> Bytes;
}
