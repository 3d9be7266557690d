//! A named local endpoint, and the file that remembers it between two runs of cellctl.
//!
//! Constraints kept: the file carries a format version and a newer one is never touched; it is written whole or not
//! at all.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LocalError, LocalSettings};

/// The format of the state file that this version writes.
const FORMAT: u32 = 1;
/// A state file has less than 1 KB.
const FILE_BYTES_MAX: u64 = 64 * 1024;
const NAME_LENGTH_MAX: usize = 32;

/// What serves the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// MiniStack, in a virtual environment: quick, and faithful in the control plane.
    MiniStack,
    /// LocalStack, in docker: slower, and with AWS's own engine behind DynamoDB.
    LocalStack,
}

impl Engine {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::MiniStack => "MiniStack",
            Self::LocalStack => "LocalStack",
        }
    }
}

/// The name of an instance: 1 to 32 of a-z, 0-9 and `-`, beginning with a letter.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(String);

impl InstanceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for InstanceName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for InstanceName {
    type Err = LocalError;

    fn from_str(text: &str) -> Result<Self, LocalError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.len() <= NAME_LENGTH_MAX
            && text.bytes().all(fits);
        if good { Ok(Self(text.to_owned())) } else { Err(LocalError::BadName(text.to_owned())) }
    }
}

impl TryFrom<String> for InstanceName {
    type Error = LocalError;

    fn try_from(text: String) -> Result<Self, LocalError> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> Self {
        name.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What runs the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runner {
    /// A process, which leads a process group.
    Process {
        /// Its number.
        pid: u32,
        /// When it was born, to know it from a later process with the same number.
        birth: String,
        /// Where its output goes.
        log: PathBuf,
    },
    /// A docker container.
    Container {
        /// Its name.
        name: String,
        /// Its id, to know it from a later container with the same name.
        id: String,
    },
}

/// One local endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// What serves it.
    pub engine: Engine,
    /// Its URL; always on 127.0.0.1.
    pub endpoint: String,
    /// Its port.
    pub port: u16,
    /// The Region for what does not name one.
    pub region: String,
    /// Whether its contents are kept across a stop.
    pub persist: bool,
    /// What runs it.
    pub runner: Runner,
    /// Comes back in MiniStack's health answer; labels LocalStack's container.
    pub nonce: String,
    /// The folder of its files.
    pub state_dir: PathBuf,
    /// When it was started.
    pub started_at: Timestamp,
}

impl Instance {
    /// Where its log is: a path, or the command that shows it.
    pub fn log(&self) -> String {
        match &self.runner {
            Runner::Process { log, .. } => log.display().to_string(),
            Runner::Container { name, .. } => format!("docker logs {name}"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    instance: Instance,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
}

/// The URL of a port on this machine.
pub(super) fn endpoint_of(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The file that remembers the instance of this name.
pub(super) fn file_of(settings: &LocalSettings, name: &InstanceName) -> PathBuf {
    settings.instances_dir().join(format!("{name}.json"))
}

/// The instance in the file, if there is such a file.
pub(super) fn load(path: &Path) -> Result<Option<Instance>, LocalError> {
    let text = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LocalError::io("read", path, source)),
    };
    let bad = |error: serde_json::Error| LocalError::BadState { path: path.into(), reason: error.to_string() };
    let Header { format } = serde_json::from_str(&text).map_err(bad)?;
    if format > FORMAT {
        return Err(LocalError::NewerState { path: path.into(), found: format, known: FORMAT });
    }
    let stored: Stored = serde_json::from_str(&text).map_err(bad)?;
    Ok(Some(stored.instance))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes the file, in place of an older one.
pub(super) fn save(path: &Path, instance: &Instance) -> Result<(), LocalError> {
    let io = |source| LocalError::io("write", path, source);
    let stored = Stored { format: FORMAT, instance: instance.clone() };
    let text = serde_json::to_vec_pretty(&stored).map_err(|error| io(error.into()))?;
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(path)).map_err(io)?;
    file.write_all(&text).map_err(io)?;
    file.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Removes the file; one that is gone already is no error.
pub(super) fn forget(path: &Path) -> Result<(), LocalError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::io("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An instance that has never run.
    pub(in crate::local) fn sample(runner: Runner) -> Instance {
        Instance {
            name: InstanceName::default(),
            engine: Engine::MiniStack,
            endpoint: endpoint_of(4566),
            port: 4566,
            region: "eu-central-1".into(),
            persist: false,
            runner,
            nonce: "cellctl-1".into(),
            state_dir: "/s".into(),
            started_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn process() -> Runner {
        Runner::Process { pid: 7, birth: "ticks 1".into(), log: "/s/log".into() }
    }

    #[test]
    fn what_is_saved_is_loaded_again() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("default.json");
        assert_eq!(load(&path).expect("absent"), None);
        for runner in [process(), Runner::Container { name: "c".into(), id: "0a".into() }] {
            save(&path, &sample(runner.clone())).expect("save");
            assert_eq!(load(&path).expect("load"), Some(sample(runner)));
        }
        forget(&path).expect("forget");
        forget(&path).expect("forget twice");
        assert_eq!(load(&path).expect("absent"), None);
    }

    #[test]
    fn a_newer_or_broken_file_is_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("default.json");
        fs::write(&path, r#"{"format": 2, "instance": "unknown"}"#).expect("write");
        assert!(load(&path).expect_err("newer").to_string().contains("newer cellctl"));
        fs::write(&path, r#"{"format": 1, "instance": {}}"#).expect("write");
        assert!(load(&path).expect_err("broken").to_string().contains("missing field"));
    }

    #[test]
    fn a_name_cannot_be_a_path() {
        for bad in ["", "../x", "A", "1a", "a.b", "-a", &"a".repeat(33)] {
            assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
        }
        assert_eq!("demo-2".parse::<InstanceName>().expect("good").as_str(), "demo-2");
    }
}
