//! The name of a k3d cluster, which no program can take for anything else.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

/// Up to 32 small letters, digits and dashes, and no dash at either end: k3d itself takes `--all` for all clusters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct K3dName(String);

impl FromStr for K3dName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if name.is_empty() || name.len() > 32 || !letters || name.starts_with('-') || name.ends_with('-') {
            let message = format!("{name:?} cannot name a k3d cluster. Use up to 32 small letters, digits and dashes.");
            return Err(Error::lasting(ErrorKind::ClusterFailed, message));
        }
        Ok(Self(name.to_owned()))
    }
}

impl Default for K3dName {
    fn default() -> Self {
        Self("flotilla".to_owned())
    }
}

impl TryFrom<String> for K3dName {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<K3dName> for String {
    fn from(K3dName(name): K3dName) -> Self {
        name
    }
}

impl Deref for K3dName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for K3dName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_k3d_could_take_for_a_flag_is_none() {
        for name in ["", "--all", "-x", "x-", "Flotilla", "a b", "a;b", &"x".repeat(33)] {
            assert!(name.parse::<K3dName>().is_err(), "{name:?}");
            assert!(serde_json::from_value::<K3dName>(name.into()).is_err(), "{name:?}");
        }
        assert_eq!(serde_json::from_value::<K3dName>("flotilla-2".into()).unwrap().to_string(), "flotilla-2");
    }
}
