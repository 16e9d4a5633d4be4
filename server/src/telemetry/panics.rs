//! What a panic tells the log.

use std::panic;

/// From now on the log says where a panic was, and not its message: that may quote what somebody wrote.
pub fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "the program has a fault and gave something up; please report this line");
    }));
}
