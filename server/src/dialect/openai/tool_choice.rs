use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    engine::{Function, ToolChoice, Tools},
    error::{Error, Result},
};

/// Whether the model has to call a function, may, or must not.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected `auto`, `none`, `required` or a function")]
pub enum ToolChoiceOption {
    Mode(ToolChoiceMode),
    Function(ToolChoiceFunction),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoiceMode {
    None,
    Auto,
    Required,
}

/// `{"type": "function", "function": {"name": …}}` in chat completions, `{"type": "function", "name": …}` in responses.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ToolChoiceFunction {
    pub name: Option<String>,
    pub function: Option<ChosenFunction>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ChosenFunction {
    pub name: String,
}

/// What the model is offered; nothing when it must not call anything.
pub fn tools(
    functions: Vec<Function>,
    choice: Option<ToolChoiceOption>,
    parallel: Option<bool>,
) -> Result<Option<Tools>> {
    let invalid = |message: &str| Err(Error::invalid("tool_choice", message));
    let choice = match choice {
        Some(ToolChoiceOption::Mode(ToolChoiceMode::None)) => return Ok(None),
        None | Some(ToolChoiceOption::Mode(ToolChoiceMode::Auto)) => ToolChoice::Auto,
        Some(ToolChoiceOption::Mode(ToolChoiceMode::Required)) => ToolChoice::Required,
        Some(ToolChoiceOption::Function(chosen)) => match chosen.name.or(chosen.function.map(|function| function.name))
        {
            Some(name) => ToolChoice::Named(name),
            None => return invalid("tool_choice must name the function"),
        },
    };
    match &choice {
        ToolChoice::Auto if functions.is_empty() => Ok(None),
        ToolChoice::Required if functions.is_empty() => invalid("tool_choice needs tools"),
        ToolChoice::Named(name) if functions.iter().all(|function| function.name != *name) => {
            invalid("tool_choice names a function that is not among tools")
        }
        _ => Ok(Some(Tools { functions, choice, parallel: parallel.unwrap_or(true) })),
    }
}
