//! Starts one MiniStack process.
//!
//! Constraints kept: the listening socket is bound here, to 127.0.0.1, and handed over, so no other address is ever
//! listened on and no port is lost between choosing and using it; the process gets a set environment, not the user's,
//! so that no real credentials and no docker daemon are within its reach.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::exports::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use super::health::{self, Patience, Unhealthy};
use super::instance::endpoint_of;
use super::settings::private_dir;
use super::venv::Installed;
use super::{LocalError, LocalEvent, OnEvent, command, process};

/// The path of the health answer. It repeats the variable `MINISTACK_EDITION`, in which the nonce goes in.
pub(super) const HEALTH_PATH: &str = "/_ministack/health";
const ENGINE: &str = "MiniStack";
/// MiniStack is up in half a second; a cold disk and a busy machine need more.
pub(super) const PATIENCE: Patience = Patience { limit: Duration::from_mins(1), pause: Duration::from_millis(50) };

/// How a MiniStack is to be started.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) installed: &'a Installed,
    pub(super) listener: TcpListener,
    /// A folder for its files; made when it is not there.
    pub(super) state_dir: &'a Path,
    /// Where the log goes; an old one is overwritten.
    pub(super) log: &'a Path,
    /// Comes back in the health answer, which tells this instance from any other.
    pub(super) nonce: &'a str,
    /// The Region for what does not name one.
    pub(super) region: &'a str,
    /// Whether its contents are kept for the next start.
    pub(super) persist: bool,
    /// Whether it is to end, and remove its folder, as soon as this process is gone.
    pub(super) follow: bool,
}

/// A process that has been started, and the port that it was given.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) port: u16,
}

/// Binds `port` on 127.0.0.1; port 0 stands for any free one.
pub(super) fn bind(port: u16) -> Result<TcpListener, LocalError> {
    // Some systems let 127.0.0.1 be bound in front of somebody's listener on all addresses.
    if port != 0 && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
        return Err(LocalError::PortTaken { port });
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| LocalError::PortTaken { port })
}

/// A number that no other instance has.
pub(super) fn nonce() -> String {
    format!("cellctl-{:032x}", fastrand::u128(..))
}

/// Whether a health answer comes from the instance with this nonce.
pub(super) fn is_from(answer: &serde_json::Value, nonce: &str) -> bool {
    answer["edition"] == nonce
}

impl Launch<'_> {
    /// Starts the process, as the leader of a group of its own, so that Ctrl-C in a terminal does not reach it.
    pub(super) fn spawn(self) -> Result<Launched, LocalError> {
        let at =
            self.listener.local_addr().map_err(|source| LocalError::io("look at the socket for", self.log, source));
        let port = at?.port();
        self.make_dirs()?;
        let log = File::create(self.log).map_err(|source| LocalError::io("create the log", self.log, source))?;
        let mut command = Command::new(&self.installed.python);
        command.arg("-I").arg(&self.installed.launcher).current_dir(self.state_dir);
        command.env_clear().envs(self.environment(port)).process_group(0).stderr(log);
        if self.follow {
            command.arg("follow").arg(self.state_dir).stdin(Stdio::piped());
        } else {
            command.arg("keep").stdin(Stdio::null());
        }
        command.stdout(OwnedFd::from(self.listener));
        let child = command.spawn().map_err(|source| LocalError::io("run", &self.installed.python, source))?;
        Ok(Launched { child, port })
    }

    fn make_dirs(&self) -> Result<(), LocalError> {
        // What an instance that does not persist left behind must not come back to life.
        let _ = fs::remove_dir_all(self.state_dir.join("tmp"));
        private_dir(&self.state_dir.join("tmp"))?;
        private_dir(&self.data_dir())
    }

    fn data_dir(&self) -> PathBuf {
        self.state_dir.join(if self.persist { "data" } else { "tmp/data" })
    }

    fn environment(&self, port: u16) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let persist = if self.persist { "1" } else { "0" };
        let fixed = [
            // For functions that run node; Python functions use the environment's own Python.
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"),
            ("LANG", "C.UTF-8"),
            ("BIND_HOST", "127.0.0.1"),
            ("SFTP_ENABLED", "0"),
            ("SFTP_HOST", "127.0.0.1"),
            // This listener would open on all addresses.
            ("IOT_MTLS_ENABLED", "0"),
            ("LAMBDA_EXECUTOR", "local"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
            ("AWS_DEFAULT_REGION", self.region),
            ("MINISTACK_REGION", self.region),
            ("MINISTACK_EDITION", self.nonce),
            ("PERSIST_STATE", persist),
            ("S3_PERSIST", persist),
        ];
        let mut all: Vec<_> = fixed.map(|(name, value)| (name, value.to_owned())).into();
        all.extend([
            ("GATEWAY_PORT", port.to_string()),
            ("AWS_ENDPOINT_URL", endpoint_of(port)),
            ("HOME", text(self.state_dir.join("tmp"))),
            ("TMPDIR", text(self.state_dir.join("tmp"))),
            ("STATE_DIR", text(self.data_dir().join("state"))),
            ("S3_DATA_DIR", text(self.data_dir().join("s3"))),
            ("DOCKER_HOST", format!("unix://{}", text(self.state_dir.join("no-docker.sock")))),
        ]);
        all
    }
}

impl Launched {
    /// Waits until the process answers; when it does not, ends it and says why, from its `log`.
    pub(super) async fn until_healthy(
        &mut self,
        nonce: &str,
        log: &Path,
        on_event: OnEvent<'_>,
    ) -> Result<(), LocalError> {
        let begun = Instant::now();
        let (port, child) = (self.port, &mut self.child);
        let ended = async || child.try_wait().ok().flatten().map(|status| status.to_string());
        let waited = health::wait(port, HEALTH_PATH, PATIENCE, |answer| is_from(answer, nonce), ended).await;
        if let Err(unhealthy) = waited {
            self.kill();
            return Err(self.explain(unhealthy, log));
        }
        on_event(LocalEvent::Healthy { endpoint: endpoint_of(port), took: begun.elapsed() });
        Ok(())
    }

    /// Ends the process and its workers, and collects it.
    pub(super) fn kill(&mut self) {
        process::kill_group(self.child.id());
        let _ = self.child.wait();
    }

    fn explain(&self, unhealthy: Unhealthy, log: &Path) -> LocalError {
        let log_text = log.display().to_string();
        match unhealthy {
            Unhealthy::Ended(outcome) => {
                let output = File::open(log).and_then(|file| command::tail(&file)).unwrap_or_default();
                LocalError::Died { engine: ENGINE, outcome, last: command::last_lines(&output, 8), log: log_text }
            }
            Unhealthy::Late(reason) => LocalError::NotHealthy {
                engine: ENGINE,
                url: format!("{}{HEALTH_PATH}", endpoint_of(self.port)),
                limit_s: PATIENCE.limit.as_secs(),
                reason,
                log: log_text,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(persist: bool) -> Vec<(&'static str, String)> {
        let installed = Installed { python: "/v/python".into(), launcher: "/v/launch.py".into() };
        let launch = Launch {
            installed: &installed,
            listener: bind(0).expect("bind"),
            state_dir: Path::new("/s"),
            log: Path::new("/s/log"),
            nonce: "n",
            region: "eu-west-1",
            persist,
            follow: false,
        };
        launch.environment(1234)
    }

    #[test]
    fn nothing_of_the_user_gets_into_the_environment() {
        let environment = environment(false);
        let value = |name| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("HOME"), Some("/s/tmp"));
        assert_eq!(value("AWS_ACCESS_KEY_ID"), Some("test"));
        assert_eq!(value("DOCKER_HOST"), Some("unix:///s/no-docker.sock"));
        assert_eq!((value("PERSIST_STATE"), value("STATE_DIR")), (Some("0"), Some("/s/tmp/data/state")));
        assert_eq!(value("AWS_PROFILE"), None);
    }

    #[test]
    fn what_persists_is_kept_apart_from_what_does_not() {
        let environment = environment(true);
        assert!(environment.contains(&("PERSIST_STATE", "1".into())));
        assert!(environment.contains(&("STATE_DIR", "/s/data/state".into())));
    }

    #[test]
    fn a_port_in_use_is_refused() {
        let held = bind(0).expect("bind");
        let port = held.local_addr().expect("address").port();
        assert!(matches!(bind(port), Err(LocalError::PortTaken { port: taken }) if taken == port));
    }
}
