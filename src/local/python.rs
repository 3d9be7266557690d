//! Finds a Python that can run MiniStack.
//!
//! Constraint kept: a candidate is judged by what it says when it runs, not by its name.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use tokio::process::Command;

use super::command::{self, Unfinished};
use super::{LocalError, LocalSettings};

/// The oldest minor version of Python 3 that MiniStack 1.5.33 says it runs on.
const MINOR_MIN: u32 = 10;
/// A cold start of Python from a slow disk takes some 2 s.
const PROBE_LIMIT: Duration = Duration::from_secs(20);
const PROBE: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3])";
/// Tried in this order: what the user runs as Python first, then versions known to have ready-made packages.
const NAMES: [&str; 7] = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];

/// A Python that is new enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Python {
    /// What to run.
    pub(super) program: OsString,
    /// Its version, such as `3.12.1`.
    pub(super) version: String,
}

/// The Python of the settings, or the first good one on `PATH`.
pub(super) async fn find(settings: &LocalSettings) -> Result<Python, LocalError> {
    let names: Vec<&OsStr> = match &settings.python {
        Some(chosen) => vec![chosen.as_os_str()],
        None => NAMES.iter().map(OsStr::new).collect(),
    };
    let mut tried = Vec::new();
    for name in names {
        match probe(name, settings).await {
            Ok(version) if is_new_enough(&version) => return Ok(Python { program: name.to_owned(), version }),
            Ok(version) => tried.push(format!("{} is {version}", name.display())),
            Err(reason) => tried.push(format!("{} {reason}", name.display())),
        }
    }
    Err(LocalError::NoPython { tried: tried.join(", ") })
}

/// The command that runs `program` in the user's environment.
pub(super) fn command_for(program: &OsStr, settings: &LocalSettings) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(settings.environment().iter().map(|(name, value)| (name, value)));
    command
}

async fn probe(program: &OsStr, settings: &LocalSettings) -> Result<String, String> {
    let mut command = command_for(program, settings);
    command.args(["-I", "-c", PROBE]);
    match command::capture(command, PROBE_LIMIT).await {
        Ok(finished) if finished.success => Ok(finished.output.trim().to_owned()),
        Ok(_) => Err("fails to run".to_owned()),
        Err(Unfinished::NotFound) => Err("is not there".to_owned()),
        Err(Unfinished::TimedOut) => Err("hangs".to_owned()),
        Err(Unfinished::Io(error)) => Err(format!("cannot be run: {error}")),
    }
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(3)), Some(Ok(minor))) if minor >= MINOR_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, good) in
            [("3.9.18", false), ("3.10.0", true), ("3.14.1", true), ("2.7.18", false), ("", false), ("3", false)]
        {
            assert_eq!(is_new_enough(version), good, "{version}");
        }
    }

    #[tokio::test]
    async fn without_python_the_error_says_what_to_install() {
        let empty = tempfile::tempdir().expect("dir");
        let path = [("PATH".into(), empty.path().as_os_str().to_owned())];
        let error = find(&LocalSettings::at(empty.path().into(), path)).await.expect_err("no python");
        let text = error.to_string();
        assert!(text.contains("python3 is not there") && text.contains("apt install python3"), "{text}");
    }
}
