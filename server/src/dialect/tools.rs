//! Functions that a request offers to the model, as both dialects write them.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::check_schema,
    engine::Function,
    error::{Error, Result},
};

/// Something that the model may call.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ToolDefinition {
    /// Only `function` is supported.
    pub r#type: String,
    pub function: FunctionDefinition,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct FunctionDefinition {
    /// 1 to 64 letters, digits, `_`, `-` or `.`.
    pub name: String,
    pub description: Option<String>,
    /// A JSON schema of the arguments, which are an object; without one there are none.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Value>,
    /// Refuse keywords of the schema that cannot be enforced.
    pub strict: Option<bool>,
}

const MAX_FUNCTIONS: usize = 128;
const MAX_NAME_BYTES: usize = 64;

/// The functions of `tools`; none of it is left out of account.
pub fn functions(tools: Vec<ToolDefinition>) -> Result<Vec<Function>> {
    check_count(tools.len())?;
    let functions = tools.into_iter().enumerate().map(|(index, tool)| {
        if tool.r#type != "function" {
            let at = format!("tools[{index}].type");
            return Err(Error::unsupported(at.clone(), format!("{at}: only tools of type function are supported")));
        }
        tool.function.checked(&format!("tools[{index}].function"))
    });
    functions.collect()
}

pub fn check_count(count: usize) -> Result<()> {
    match count <= MAX_FUNCTIONS {
        true => Ok(()),
        false => Err(Error::invalid("tools", format!("tools must hold at most {MAX_FUNCTIONS} tools"))),
    }
}

impl FunctionDefinition {
    /// `at` is where it stands in the request.
    pub fn checked(self, at: &str) -> Result<Function> {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !(1..=MAX_NAME_BYTES).contains(&self.name.len()) || !self.name.bytes().all(is_name_byte) {
            let at = format!("{at}.name");
            let message = format!("{at} must be 1 to {MAX_NAME_BYTES} letters, digits, _, - or .");
            return Err(Error::invalid(at, message));
        }
        let parameters = self.parameters.filter(|parameters| !parameters.is_null());
        if let Some(parameters) = &parameters {
            check_schema(&format!("{at}.parameters"), parameters)?;
        }
        let strict = self.strict == Some(true);
        Ok(Function { name: self.name, description: self.description, parameters, strict })
    }
}
