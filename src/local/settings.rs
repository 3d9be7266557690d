//! What the caller decides about local endpoints before any work begins.
//!
//! Constraint kept: the environment comes in as a value, so that a test can leave Python out of it and settings are
//! read in one place of the program only.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::LocalError;

/// Variables that would lead Python or pip out of the private environment.
const DROPPED: [&str; 11] = [
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_REQUIREMENT",
    "PIP_CONSTRAINT",
    "PIP_NO_BINARY",
];

/// Where things are kept and which programs are used.
#[derive(Debug, Clone)]
pub struct LocalSettings {
    /// The folder for installed engines, state and logs.
    pub cache_dir: PathBuf,
    /// The Python to use; without it, the first good one on `PATH`.
    pub python: Option<PathBuf>,
    /// The docker program.
    pub docker: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl LocalSettings {
    /// Settings for the given environment (in a program: `std::env::vars_os()`), with the user's cache folder.
    ///
    /// Fails when the user has no home folder.
    pub fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, LocalError> {
        let base = etcetera::choose_base_strategy().map_err(|_| LocalError::NoHome)?;
        Ok(Self::at(base.cache_dir().join("cellctl"), environment))
    }

    /// Settings for the given environment that keep everything under `cache_dir`.
    pub fn at(cache_dir: PathBuf, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let kept = |(name, _): &(OsString, OsString)| !DROPPED.iter().any(|dropped| OsStr::new(dropped) == name);
        let environment = environment.into_iter().filter(kept).collect();
        Self { cache_dir, python: None, docker: PathBuf::from("docker"), environment }
    }

    /// The environment for installers and docker: the user's, for proxies, certificates and `PIP_*`.
    pub(super) fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }

    /// The folder of state files and logs of named instances.
    pub(super) fn instances_dir(&self) -> PathBuf {
        self.cache_dir.join("local")
    }
}

/// Makes a folder, and its parents, that only the user can read.
pub(super) fn private_dir(path: &Path) -> Result<(), LocalError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| LocalError::io("create the folder", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_lead_python_astray_are_dropped() {
        let pairs = [("PIP_TARGET", "/x"), ("PYTHONPATH", "/y"), ("PIP_INDEX_URL", "http://i"), ("PATH", "/bin")];
        let settings = LocalSettings::at("/c".into(), pairs.map(|(name, value)| (name.into(), value.into())));
        let names: Vec<_> = settings.environment().iter().map(|(name, _)| name.to_string_lossy()).collect();
        assert_eq!(names, ["PIP_INDEX_URL", "PATH"]);
    }
}
