//! How far the load dial and the drill go, for the page to ask for no more.

use serde::Serialize;
use ts_rs::TS;

use crate::{drill, load};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
pub struct Limits {
    pub load_chats: u32,
    pub load_seconds: u32,
    pub drill_chats: u32,
}

pub const LIMITS: Limits =
    Limits { load_chats: load::MAX_CHATS, load_seconds: load::MAX_SECONDS, drill_chats: drill::MAX_CHATS };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_look_to_typescript_as_agreed() {
        let expected = serde_json::json!({"load_chats": 64, "load_seconds": 600, "drill_chats": 32});
        assert_eq!(serde_json::to_value(LIMITS).unwrap(), expected);
    }
}
