//! Installs MiniStack, pinned by version and by hash, into a virtual environment of its own.
//!
//! Constraints kept: nothing that is not in `requirements.txt` gets in; an installation that was cut off is never
//! used; processes that install at the same time do not disturb each other. A virtual environment cannot be moved, so
//! each attempt gets a folder of its own, and the file `current` names the one that is complete. An installer that
//! outlives its cellctl writes to a folder that nothing refers to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::command::{self, Finished, Unfinished};
use super::python::{self, Python};
use super::settings::private_dir;
use super::{LocalError, LocalEvent, LocalSettings, OnEvent, lock};

/// The version that is installed; `requirements.txt` pins the same.
pub(super) const MINISTACK_VERSION: &str = "1.5.33";
const REQUIREMENTS: &str = include_str!("requirements.txt");
const LAUNCHER: &str = include_str!("launch.py");
/// 18 MB are fetched; this allows for 60 kB/s.
const PIP_LIMIT: Duration = Duration::from_mins(5);
/// Making an environment unpacks pip, which takes 3 s on a slow machine.
const VENV_LIMIT: Duration = Duration::from_mins(1);
const CURRENT: &str = "current";
const ATTEMPT_PREFIX: &str = "env-";

/// A complete installation.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    /// The environment's Python.
    pub(super) python: PathBuf,
    /// The script that serves MiniStack.
    pub(super) launcher: PathBuf,
}

impl Installed {
    fn in_dir(dir: &Path) -> Self {
        Self { python: dir.join("bin/python"), launcher: dir.join("launch.py") }
    }
}

/// The installation in the cache folder; it is made when it is not there.
pub(super) async fn ensure(settings: &LocalSettings, on_event: OnEvent<'_>) -> Result<Installed, LocalError> {
    let root = root_dir(settings);
    if let Some(installed) = complete(&root) {
        return Ok(installed);
    }
    private_dir(&root)?;
    let _lock = lock::acquire(&root.join("lock"), on_event).await?;
    if let Some(installed) = complete(&root) {
        return Ok(installed);
    }
    remove_attempts(&root);
    install(&root, settings, on_event).await
}

/// The folder is named after what goes into it, so another version of cellctl does not share it by mistake.
fn root_dir(settings: &LocalSettings) -> PathBuf {
    let digest = Sha256::new().chain_update(REQUIREMENTS).chain_update(LAUNCHER).finalize();
    settings.cache_dir.join(format!("ministack-{MINISTACK_VERSION}-{}", hex::encode(&digest[..6])))
}

/// The installation that `current` names. Its Python is a link that breaks when the system's Python goes away.
fn complete(root: &Path) -> Option<Installed> {
    let name = fs::read_to_string(root.join(CURRENT)).ok()?;
    let installed = Installed::in_dir(&root.join(name.trim()));
    (installed.python.exists() && installed.launcher.exists()).then_some(installed)
}

/// Clears away what earlier attempts left. What cannot be removed only takes space, so that is no error.
fn remove_attempts(root: &Path) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(ATTEMPT_PREFIX)) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

async fn install(root: &Path, settings: &LocalSettings, on_event: OnEvent<'_>) -> Result<Installed, LocalError> {
    let python = python::find(settings).await?;
    let attempt = tempfile::Builder::new().prefix(ATTEMPT_PREFIX).tempdir_in(root);
    let attempt = attempt.map_err(|source| LocalError::io("create a folder in", root, source))?;
    let setup = Setup { dir: attempt.path(), log_path: root.join("setup.log"), settings };
    setup.make_venv(&python).await?;
    on_event(LocalEvent::VenvCreated { path: attempt.path().to_path_buf(), python: python.version });
    let begun = Instant::now();
    setup.install_packages().await?;
    write(&attempt.path().join("launch.py"), LAUNCHER)?;
    on_event(LocalEvent::PackagesInstalled { took: begun.elapsed() });
    publish(root, &attempt.keep())
}

/// Makes `current` name the folder. The file appears whole or not at all.
fn publish(root: &Path, dir: &Path) -> Result<Installed, LocalError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let fresh = root.join("current.new");
    write(&fresh, &name)?;
    let current = root.join(CURRENT);
    fs::rename(&fresh, &current).map_err(|source| LocalError::io("write", &current, source))?;
    Ok(Installed::in_dir(dir))
}

fn write(path: &Path, text: &str) -> Result<(), LocalError> {
    fs::write(path, text).map_err(|source| LocalError::io("write", path, source))
}

/// One attempt at an installation.
struct Setup<'a> {
    dir: &'a Path,
    log_path: PathBuf,
    settings: &'a LocalSettings,
}

impl Setup<'_> {
    async fn make_venv(&self, python: &Python) -> Result<(), LocalError> {
        let mut command = python::command_for(&python.program, self.settings);
        command.args(["-I", "-m", "venv"]).arg(self.dir);
        let finished = self.run("making a virtual environment", command, VENV_LIMIT).await?;
        if finished.success { Ok(()) } else { Err(venv_error(python, &finished.output, &self.log_path)) }
    }

    async fn install_packages(&self) -> Result<(), LocalError> {
        let requirements = self.dir.join("requirements.txt");
        write(&requirements, REQUIREMENTS)?;
        let mut command = python::command_for(self.dir.join("bin/python").as_os_str(), self.settings);
        command.args(["-I", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:"]);
        command.args(["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "-r"]).arg(&requirements);
        if !self.settings.environment().iter().any(|(name, _)| name == "PIP_RETRIES") {
            // pip's own five attempts take half a minute to say that there is no network.
            command.env("PIP_RETRIES", "2");
        }
        let finished = self.run("installing MiniStack with pip", command, PIP_LIMIT).await?;
        if finished.success { Ok(()) } else { Err(pip_error(&finished.output, &self.log_path)) }
    }

    async fn run(
        &self,
        what: &'static str,
        command: tokio::process::Command,
        limit: Duration,
    ) -> Result<Finished, LocalError> {
        let io = |source| LocalError::io("write to", &self.log_path, source);
        let log = File::options().create(true).truncate(true).read(true).write(true).open(&self.log_path);
        command::run(command, &log.map_err(io)?, limit).await.map_err(|ended| match ended {
            Unfinished::TimedOut => LocalError::TimedOut { what, limit_s: limit.as_secs(), log: self.log_path.clone() },
            Unfinished::NotFound => io(std::io::ErrorKind::NotFound.into()),
            Unfinished::Io(source) => io(source),
        })
    }
}

fn venv_error(python: &Python, output: &str, log: &Path) -> LocalError {
    let program = python.program.display().to_string();
    if is_disk_full(output) {
        LocalError::DiskFull { path: log.with_file_name("") }
    } else if contains_any(output, &["ensurepip", "No module named venv", "python3-venv"]) {
        LocalError::NoVenvModule { python: program, version: python.version.clone() }
    } else {
        LocalError::VenvFailed { python: program, last: command::last_lines(output, 3), log: log.into() }
    }
}

/// Tells why pip failed from what it wrote: it has one exit status for everything.
fn pip_error(output: &str, log: &Path) -> LocalError {
    const HASHES: [&str; 2] = ["DO NOT MATCH THE HASHES", "Hashes are required"];
    const NETWORK: [&str; 8] = [
        "after connection broken by",
        "Could not fetch URL",
        "ConnectionError",
        "Connection refused",
        "Max retries exceeded",
        "name resolution",
        "ReadTimeoutError",
        "ProxyError",
    ];
    if is_disk_full(output) {
        LocalError::DiskFull { path: log.with_file_name("") }
    } else if contains_any(output, &HASHES) {
        LocalError::HashMismatch { log: log.into() }
    } else if contains_any(output, &NETWORK) {
        LocalError::NoNetwork { log: log.into() }
    } else {
        LocalError::PipFailed { last: command::last_lines(output, 5), log: log.into() }
    }
}

fn is_disk_full(output: &str) -> bool {
    contains_any(output, &["No space left on device", "Errno 28", "Disk quota exceeded"])
}

fn contains_any(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned_by_version_and_hash() {
        let joined = REQUIREMENTS.replace("\\\n", " ");
        let lines: Vec<&str> = joined.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert!(lines.len() >= 17, "{}", lines.len());
        for line in &lines {
            let (requirement, hashes) = line.split_once("--hash=sha256:").expect(line);
            assert!(requirement.contains("=="), "{line}");
            for hash in hashes.split("--hash=sha256:") {
                assert!(hash.trim().len() == 64 && hash.trim().bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
            }
        }
        let pinned = format!("ministack=={MINISTACK_VERSION} ");
        assert_eq!(lines.iter().filter(|line| line.starts_with(&pinned)).count(), 1);
    }

    #[test]
    fn pip_failures_are_told_apart() {
        let log = Path::new("/c/setup.log");
        let kind = |output: &str| match pip_error(output, log) {
            LocalError::DiskFull { path } => format!("disk {}", path.display()),
            LocalError::HashMismatch { .. } => "hash".into(),
            LocalError::NoNetwork { .. } => "network".into(),
            LocalError::PipFailed { last, .. } => last,
            other => other.to_string(),
        };
        let broken = "WARNING: Retrying (Retry(total=1)) after connection broken by 'NewConnectionError'";
        assert_eq!(kind(broken), "network");
        assert_eq!(kind("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."), "hash");
        assert_eq!(kind("OSError: [Errno 28] No space left on device"), "disk /c/");
        assert_eq!(kind("\nERROR: No matching distribution\n"), "ERROR: No matching distribution");
    }

    #[test]
    fn venv_failures_are_told_apart() {
        let python = Python { program: "python3".into(), version: "3.11.2".into() };
        let error = |output| venv_error(&python, output, Path::new("/c/setup.log")).to_string();
        assert!(error("because ensurepip is not\navailable").contains("apt install python3-venv"));
        assert!(error("Error: segfault").contains("Error: segfault"));
    }

    #[test]
    fn an_installation_counts_only_once_it_is_published() {
        let root = tempfile::tempdir().expect("dir");
        let dir = root.path().join("env-1");
        fs::create_dir_all(dir.join("bin")).expect("dir");
        fs::write(dir.join("bin/python"), "").expect("file");
        assert!(complete(root.path()).is_none());
        publish(root.path(), &dir).expect("publish");
        assert!(complete(root.path()).is_none(), "the launcher is missing");
        fs::write(dir.join("launch.py"), "").expect("file");
        assert_eq!(complete(root.path()).expect("complete").launcher, dir.join("launch.py"));
        remove_attempts(root.path());
        assert!(complete(root.path()).is_none());
    }
}
