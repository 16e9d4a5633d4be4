use serde::Deserialize;
use utoipa::ToSchema;

use crate::error::{Error, Result};

/// How long a model stays in memory: seconds, or a duration such as `5m` or `1h30m`. Only 0 is honoured, in any of its
/// forms; for all else, negative ones among it, KEEP_ALIVE stands.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected seconds as a number, or a duration such as `5m`")]
pub enum KeepAlive {
    Seconds(f64),
    Duration(String),
}

impl KeepAlive {
    /// Whether the model is to leave the memory at once.
    ///
    /// # Errors
    /// 400 for a text that is no duration.
    pub fn is_zero(&self) -> Result<bool> {
        match self {
            Self::Seconds(seconds) => Ok(*seconds == 0.0),
            Self::Duration(text) => is_zero(text).ok_or_else(|| {
                let message = "keep_alive must be a number of seconds, or a duration such as \"5m\"";
                Error::invalid("keep_alive", message)
            }),
        }
    }
}

/// Those of Go's `time.ParseDuration`, longer ones before their beginnings.
const UNITS: [&str; 8] = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"];

/// Whether a duration as Go reads it is 0; `None` where it is none. A number without a unit counts as seconds, as it does in
/// Ollama's own setting.
fn is_zero(text: &str) -> Option<bool> {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut is_zero = true;
    let mut is_first = true;
    while is_first || !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        is_zero &= number.parse::<f64>().ok()? == 0.0;
        let unit = UNITS.into_iter().find(|unit| behind.starts_with(unit));
        rest = match unit {
            Some(unit) => &behind[unit.len()..],
            None if is_first && behind.is_empty() => behind,
            None => return None,
        };
        is_first = false;
    }
    Some(is_zero)
}

#[cfg(test)]
mod tests {
    use super::is_zero;

    #[test]
    fn durations_are_told_from_other_texts_and_zero_from_the_rest() {
        for zero in ["0", "-0", "0s", "0.0", "0h0m0s", "+0ms"] {
            assert_eq!(is_zero(zero), Some(true), "{zero}");
        }
        for longer in ["-1", "300", "5m", "1h30m", "0h1s", "1.5h", ".5s", "-1s", "1µs"] {
            assert_eq!(is_zero(longer), Some(false), "{longer}");
        }
        for other in ["", "-", "soon", "5 m", "m", "5x", "5m3", "inf", "1.2.3s", "1é"] {
            assert_eq!(is_zero(other), None, "{other}");
        }
    }
}
