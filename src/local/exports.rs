//! The environment that leads a program to a local endpoint and away from any account.
//!
//! Constraint kept: a variable that could lead back to a real account is unset, not only overridden.

use std::fmt;

/// The access key of every local endpoint; it opens nothing at AWS.
pub const ACCESS_KEY_ID: &str = "test";
/// The secret that goes with it.
pub const SECRET_ACCESS_KEY: &str = "test";

/// Variables that would take precedence over the exported ones, or turn them off.
const UNSET: [&str; 3] = ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];

/// The shell that exports are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// sh, bash, zsh.
    Posix,
    /// fish.
    Fish,
    /// PowerShell.
    PowerShell,
}

/// The variables for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exports {
    /// Variables to set, in order, with their values.
    pub set: Vec<(&'static str, String)>,
    /// Variables to unset.
    pub unset: Vec<&'static str>,
}

impl Exports {
    /// The variables that lead to `endpoint`, with `region` as the Region.
    pub fn new(endpoint: &str, region: &str) -> Self {
        let set = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_REGION", region),
            ("AWS_DEFAULT_REGION", region),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        Self { set: set.map(|(name, value)| (name, value.to_owned())).into(), unset: UNSET.into() }
    }

    /// The lines that a shell of this kind evaluates.
    pub fn for_shell(&self, shell: Shell) -> impl fmt::Display {
        let unset = self.unset.iter().map(|name| match shell {
            Shell::Posix => format!("unset {name}\n"),
            Shell::Fish => format!("set -e {name}\n"),
            Shell::PowerShell => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue\n"),
        });
        let set = self.set.iter().map(|(name, value)| match shell {
            Shell::Posix => format!("export {name}='{}'\n", value.replace('\'', r"'\''")),
            Shell::Fish => format!("set -gx {name} '{}'\n", value.replace('\\', r"\\").replace('\'', r"\'")),
            Shell::PowerShell => format!("$Env:{name} = '{}'\n", value.replace('\'', "''")),
        });
        unset.chain(set).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_gets_its_own_form() {
        let exports = Exports::new("http://127.0.0.1:4566", "eu-west-1");
        let text = |shell| exports.for_shell(shell).to_string();
        assert!(text(Shell::Posix).contains("export AWS_ENDPOINT_URL='http://127.0.0.1:4566'\n"));
        assert!(text(Shell::Posix).contains("unset AWS_PROFILE\n"));
        assert!(text(Shell::Fish).contains("set -gx AWS_REGION 'eu-west-1'\n"));
        assert!(text(Shell::PowerShell).contains("$Env:AWS_EC2_METADATA_DISABLED = 'true'\n"));
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let exports = Exports::new("x'; rm -rf \\", "r");
        let line = |shell| exports.for_shell(shell).to_string().lines().nth(UNSET.len()).map(str::to_owned);
        assert_eq!(line(Shell::Posix).as_deref(), Some(r"export AWS_ENDPOINT_URL='x'\''; rm -rf \'"));
        assert_eq!(line(Shell::Fish).as_deref(), Some(r"set -gx AWS_ENDPOINT_URL 'x\'; rm -rf \\'"));
        assert_eq!(line(Shell::PowerShell).as_deref(), Some(r"$Env:AWS_ENDPOINT_URL = 'x''; rm -rf \'"));
    }
}
