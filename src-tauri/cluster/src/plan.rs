//! A deploy as a plan: steps in order, each with its state, kept on disk so that closing the app loses nothing.

mod checks;
mod commands;
mod deployment;
mod options;
mod preflight;
mod probe;
pub(crate) mod record;
mod rollout;
pub(crate) mod run;
mod steps;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub use self::{
    deployment::{Consent, Deployment, Settings, is_for, last_plan},
    options::{DeployOptions, Images, Target},
};
use crate::{Change, Error};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Plan {
    pub id: String,
    pub context: Option<String>,
    pub options: DeployOptions,
    pub status: PlanStatus,
    /// What the user has to agree to before it goes on.
    pub waiting_for: Option<WaitingFor>,
    pub steps: Vec<Step>,
    pub checks: Vec<Check>,
    pub changes: Vec<Change>,
    /// The newest lines of what programs said, newest last.
    pub log: Vec<String>,
    /// Where it answers.
    pub url: Option<String>,
    #[ts(type = "number")]
    pub started_at: i64,
    #[ts(type = "number | null")]
    pub finished_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    Running,
    Waiting,
    Done,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// The changes have been shown.
    Apply,
    /// Some fields belong to somebody else and would be taken over.
    Force,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StepId {
    Preflight,
    Cluster,
    Images,
    Diff,
    Apply,
    Rollout,
    Probe,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct Step {
    pub id: StepId,
    pub title: String,
    pub status: StepStatus,
    #[ts(type = "number | null")]
    pub started_at: Option<i64>,
    #[ts(type = "number | null")]
    pub finished_at: Option<i64>,
    pub progress: Option<Progress>,
    /// What is happening, or why it waits, in one line.
    pub detail: Option<String>,
    /// What one would type instead, a command a line.
    pub command: String,
    pub error: Option<Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Pending,
    Running,
    Waiting,
    Done,
    Skipped,
    Failed,
}

impl StepStatus {
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Progress {
    #[ts(type = "number")]
    pub done: u64,
    #[ts(type = "number | null")]
    pub total: Option<u64>,
    pub unit: ProgressUnit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ProgressUnit {
    Bytes,
    Objects,
    Pods,
}

/// One thing that was looked at before anything was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Check {
    pub name: String,
    pub status: CheckStatus,
    /// What was found and, when it is not ok, what to do.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    Ok,
    Warning,
    Failed,
}

impl Check {
    pub(crate) fn new(name: &str, status: CheckStatus, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, message: message.into() }
    }
}

impl Plan {
    pub fn step(&self, id: StepId) -> &Step {
        // A plan has one of each from its start.
        self.steps.iter().find(|step| step.id == id).unwrap_or(&self.steps[0])
    }

    pub(crate) fn step_mut(&mut self, id: StepId) -> &mut Step {
        let position = self.steps.iter().position(|step| step.id == id).unwrap_or_default();
        &mut self.steps[position]
    }
}
