//! Sampling parameters as callers set them: everything optional, every range checked.

use std::ops::RangeInclusive;

use flotilla_engine::protocol::{Sampling, limits};
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check_text;
use crate::error::{Error, Result};

/// How the next token is chosen; what is left out takes the engine's default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, FromJsonQueryResult, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// 0 to 2; 0 gives the same answer every time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// 0 or more; 0 turns it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i32>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u32>,
    /// 1 or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0.01 to 2; 1 turns it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f32>,
    /// -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// -2 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// At most 8 texts of at most 64 bytes; the answer ends before the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
}

impl Parameters {
    /// Refuses values out of range; `at` is where the parameters stand in the request: `parameters.` or nothing.
    pub fn check(&self, at: &str) -> Result<()> {
        let within = |name: &str, value: Option<f32>, range: RangeInclusive<f32>| match value {
            Some(value) if !range.contains(&value) => {
                let (low, high) = (range.start(), range.end());
                Err(Error::invalid(format!("{at}{name}"), format!("{name} must be between {low} and {high}")))
            }
            _ => Ok(()),
        };
        within("temperature", self.temperature, limits::TEMPERATURE)?;
        within("top_p", self.top_p, limits::TOP_P)?;
        within("min_p", self.min_p, limits::MIN_P)?;
        within("repeat_penalty", self.repeat_penalty, limits::REPEAT_PENALTY)?;
        within("frequency_penalty", self.frequency_penalty, limits::FREQUENCY_PENALTY)?;
        within("presence_penalty", self.presence_penalty, limits::PRESENCE_PENALTY)?;
        if self.top_k.is_some_and(|top_k| top_k < 0) {
            return Err(Error::invalid(format!("{at}top_k"), "top_k must be 0 or more"));
        }
        if self.max_tokens == Some(0) {
            return Err(Error::invalid(format!("{at}max_tokens"), "max_tokens must be 1 or more"));
        }
        let stops = self.stop.as_deref().unwrap_or_default();
        let stop = format!("{at}stop");
        if !limits::are_stops(stops) {
            let (count, bytes) = (limits::STOPS, limits::STOP_BYTES);
            return Err(Error::invalid(stop, format!("stop takes at most {count} texts of 1 to {bytes} bytes")));
        }
        stops.iter().try_for_each(|text| check_text(&stop, text))
    }

    /// The same for the own engine, its defaults filled in.
    pub fn sampling(&self) -> Sampling {
        let defaults = Sampling::default();
        Sampling {
            temperature: self.temperature.unwrap_or(defaults.temperature),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            top_k: self.top_k.unwrap_or(defaults.top_k),
            min_p: self.min_p.unwrap_or(defaults.min_p),
            seed: self.seed,
            stop: self.stop.clone().unwrap_or_default(),
            max_tokens: self.max_tokens,
            repeat_penalty: self.repeat_penalty.unwrap_or(defaults.repeat_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(defaults.frequency_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(defaults.presence_penalty),
        }
    }
}
