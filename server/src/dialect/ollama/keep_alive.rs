use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    engine,
    error::{Error, Result},
};

/// How long a model stays in memory after its last answer: seconds, or a duration such as `5m` or `1h30m`. 0 is at once, and
/// what is negative is for ever.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected seconds as a number, or a duration such as `5m`")]
pub enum KeepAlive {
    Seconds(f64),
    Duration(String),
}

impl KeepAlive {
    /// The same for an engine, where a request says it.
    ///
    /// # Errors
    /// 400 for a text that is no duration.
    pub fn read(keep_alive: Option<&Self>) -> Result<Option<engine::KeepAlive>> {
        let seconds = match keep_alive {
            None => return Ok(None),
            Some(Self::Seconds(seconds)) => Some(*seconds),
            Some(Self::Duration(text)) => seconds(text),
        };
        let seconds = seconds.ok_or_else(|| {
            Error::invalid("keep_alive", "keep_alive must be a number of seconds, or a duration such as \"5m\"")
        })?;
        Ok(Some(match Duration::try_from_secs_f64(seconds) {
            Ok(time) => engine::KeepAlive::For(time),
            // Negative, or longer than anybody counts.
            Err(_) => engine::KeepAlive::Forever,
        }))
    }
}

/// Those of Go's `time.ParseDuration` and their seconds, longer ones before their beginnings.
const UNITS: [(&str, f64); 8] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// The seconds of a duration as Go reads it; `None` where it is none. A number without a unit counts as seconds, as it does in
/// Ollama's own setting.
fn seconds(text: &str) -> Option<f64> {
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut seconds = 0.0;
    let mut is_first = true;
    while is_first || !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(end);
        let number: f64 = number.parse().ok()?;
        let unit = UNITS.into_iter().find(|(unit, _)| behind.starts_with(unit));
        let (unit, length) = match unit {
            Some(unit) => unit,
            None if is_first && behind.is_empty() => ("", 1.0),
            None => return None,
        };
        seconds += number * length;
        rest = &behind[unit.len()..];
        is_first = false;
    }
    Some(sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them_and_told_from_other_texts() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", 0.0),
            ("0h0m0s", 0.0),
            ("+0ms", 0.0),
            ("300", 300.0),
            ("5m", 300.0),
            ("1h30m", 5400.0),
            ("0h1s", 1.0),
            ("1.5h", 5400.0),
            (".5s", 0.5),
            ("500ms", 0.5),
            ("-1", -1.0),
            ("-1m", -60.0),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        assert!(seconds("1µs").is_some_and(|seconds| 0.0 < seconds && seconds < 2e-6));
        for other in ["", "-", "soon", "5 m", "m", "5x", "5m3", "inf", "1.2.3s", "1é"] {
            assert_eq!(seconds(other), None, "{other}");
        }
    }

    #[test]
    fn what_is_negative_or_has_no_end_is_for_ever() {
        let read = |keep_alive: KeepAlive| KeepAlive::read(Some(&keep_alive)).unwrap().unwrap();
        let text = |text: &str| read(KeepAlive::Duration(text.to_owned()));

        assert_eq!(text("5m"), engine::KeepAlive::For(Duration::from_secs(300)));
        assert_eq!(read(KeepAlive::Seconds(-0.0)), engine::KeepAlive::AT_ONCE);
        for keep_alive in [text("-1s"), text(&"9".repeat(400)), read(KeepAlive::Seconds(-1.0))] {
            assert_eq!(keep_alive, engine::KeepAlive::Forever);
        }
    }
}
