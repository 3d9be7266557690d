//! LocalStack in a docker container.
//!
//! Constraints kept: its port is published on 127.0.0.1 only; a container is removed only when its id is the one that
//! was recorded. The image is pinned by tag: 4.14.0 is the last release that runs without an account.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::command::{self, Finished, Unfinished};
use super::health::{self, Patience, Unhealthy};
use super::instance::{InstanceName, endpoint_of};
use super::{LocalError, LocalEvent, LocalSettings, OnEvent, python};

const IMAGE: &str = "localstack/localstack:4.14.0";
const HEALTH_PATH: &str = "/_localstack/health";
const ENGINE: &str = "LocalStack";
/// The image has some 500 MB, which the first run fetches.
const RUN_LIMIT: Duration = Duration::from_mins(15);
const QUESTION_LIMIT: Duration = Duration::from_secs(30);
const PATIENCE: Patience = Patience { limit: Duration::from_mins(2), pause: Duration::from_millis(500) };
/// The default provider loses stream records; see `localstack/README.md`.
const OVERRIDES: [&str; 2] = ["PROVIDER_OVERRIDE_DYNAMODB=v2", "PROVIDER_OVERRIDE_DYNAMODBSTREAMS=v2"];
/// LocalStack runs functions in containers of their own, so it needs docker itself.
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What a container is started with.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) settings: &'a LocalSettings,
    pub(super) instance: &'a InstanceName,
    pub(super) port: u16,
    pub(super) region: &'a str,
    pub(super) nonce: &'a str,
}

/// The name of an instance's container.
pub(super) fn container_name(instance: &InstanceName) -> String {
    format!("cellctl-local-{instance}")
}

impl Container<'_> {
    /// Starts the container and returns its id.
    pub(super) async fn start(&self) -> Result<String, LocalError> {
        let name = container_name(self.instance);
        let finished = docker(self.settings, &self.arguments(Path::new(DOCKER_SOCKET).exists()), RUN_LIMIT).await;
        let finished = finished.map_err(|failed| failed.explain(self.settings, "start", &name))?;
        // A pull prints its progress first; the id is the last line.
        Ok(command::last_lines(&finished.output, 1))
    }

    /// Waits until LocalStack answers.
    pub(super) async fn until_healthy(&self, id: &str, on_event: OnEvent<'_>) -> Result<(), LocalError> {
        let begun = Instant::now();
        let ended = async || match is_running(self.settings, id).await {
            Ok(false) => Some("its container is gone".to_owned()),
            // A docker that does not answer now may answer the next time; the limit ends the wait.
            Ok(true) | Err(_) => None,
        };
        let accepts = |answer: &serde_json::Value| answer["services"].is_object();
        health::wait(self.port, HEALTH_PATH, PATIENCE, accepts, ended).await.map_err(|error| self.explain(error))?;
        on_event(LocalEvent::Healthy { endpoint: endpoint_of(self.port), took: begun.elapsed() });
        Ok(())
    }

    fn arguments(&self, with_socket: bool) -> Vec<String> {
        let mut arguments: Vec<String> = ["run", "-d", "--rm", "--name"].map(String::from).into();
        arguments.push(container_name(self.instance));
        arguments.extend(["--label".into(), format!("cellctl.nonce={}", self.nonce)]);
        arguments.extend(["-p".into(), format!("127.0.0.1:{}:4566", self.port)]);
        for variable in OVERRIDES.into_iter().map(String::from).chain([format!("DEFAULT_REGION={}", self.region)]) {
            arguments.extend(["-e".into(), variable]);
        }
        if with_socket {
            arguments.extend(["-v".into(), format!("{DOCKER_SOCKET}:{DOCKER_SOCKET}")]);
        }
        arguments.push(IMAGE.into());
        arguments
    }

    fn explain(&self, unhealthy: Unhealthy) -> LocalError {
        let log = format!("docker logs {}", container_name(self.instance));
        match unhealthy {
            Unhealthy::Ended(outcome) => LocalError::Died { engine: ENGINE, outcome, last: String::new(), log },
            Unhealthy::Late(reason) => LocalError::NotHealthy {
                engine: ENGINE,
                url: format!("{}{HEALTH_PATH}", endpoint_of(self.port)),
                limit_s: PATIENCE.limit.as_secs(),
                reason,
                log,
            },
        }
    }
}

/// Whether the container with this id runs. Without docker, or without its daemon, no container does.
pub(super) async fn is_running(settings: &LocalSettings, id: &str) -> Result<bool, LocalError> {
    let filter = format!("id={id}");
    let arguments = ["ps", "-q", "--no-trunc", "--filter", &filter].map(String::from);
    let asked = docker(settings, &arguments, QUESTION_LIMIT).await;
    match asked.map_err(|failed| failed.explain(settings, "look for", id)) {
        Ok(finished) => Ok(finished.output.lines().any(|line| line.trim() == id)),
        Err(LocalError::NoDocker { .. } | LocalError::NoDockerDaemon { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether LocalStack answers on this port.
pub(super) async fn is_healthy(port: u16, limit: Duration) -> bool {
    health::get(port, HEALTH_PATH, limit).await.is_ok_and(|answer| answer["services"].is_object())
}

/// Stops the container, which also removes it. Whether there was one.
pub(super) async fn stop(settings: &LocalSettings, id: &str) -> Result<bool, LocalError> {
    if !is_running(settings, id).await? {
        return Ok(false);
    }
    let arguments = ["stop", "-t", "5", id].map(String::from);
    let stopped = docker(settings, &arguments, QUESTION_LIMIT).await;
    stopped.map(|_| true).map_err(|failed| failed.explain(settings, "stop", id))
}

/// Why a docker command did not succeed.
enum Failed {
    Unfinished(Unfinished),
    Refused(String),
}

impl Failed {
    fn explain(self, settings: &LocalSettings, action: &'static str, container: &str) -> LocalError {
        let program = settings.docker.display().to_string();
        let output = match self {
            Self::Unfinished(Unfinished::NotFound) => return LocalError::NoDocker { program },
            Self::Unfinished(Unfinished::TimedOut) => "it did not end in time".to_owned(),
            Self::Unfinished(Unfinished::Io(error)) => error.to_string(),
            Self::Refused(output) => output,
        };
        let last = command::last_lines(&output, 3);
        let is_down = ["Cannot connect to the Docker daemon", "daemon running?", "failed to connect to the docker API"];
        if is_down.iter().any(|sign| output.contains(sign)) {
            return LocalError::NoDockerDaemon { last };
        }
        LocalError::DockerFailed { action, container: container.to_owned(), last }
    }
}

async fn docker(settings: &LocalSettings, arguments: &[String], limit: Duration) -> Result<Finished, Failed> {
    let mut command: Command = python::command_for(settings.docker.as_os_str(), settings);
    command.args(arguments);
    let finished = command::capture(command, limit).await.map_err(Failed::Unfinished)?;
    if finished.success { Ok(finished) } else { Err(Failed::Refused(finished.output)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings whose docker is a script that writes down its arguments and then runs `then`.
    fn fake(dir: &Path, then: &str) -> LocalSettings {
        let script = dir.join("docker");
        let text = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}/calls'\n{then}\n", dir.display());
        // Written by another process: were it open here, a fork in another thread would make it "busy".
        let write = r#"printf '%s' "$2" > "$1" && chmod +x "$1""#;
        let written = std::process::Command::new("/bin/sh").args(["-c", write, "sh"]).arg(&script).arg(text).status();
        assert!(written.expect("sh").success());
        let mut settings = LocalSettings::at(dir.into(), [("PATH".into(), "/usr/bin:/bin".into())]);
        settings.docker = script;
        settings
    }

    fn container<'a>(settings: &'a LocalSettings, instance: &'a InstanceName) -> Container<'a> {
        Container { settings, instance, port: 4599, region: "eu-west-1", nonce: "n" }
    }

    #[tokio::test]
    async fn the_port_is_published_on_loopback_only() {
        let dir = tempfile::tempdir().expect("dir");
        let (settings, name) = (fake(dir.path(), "echo pulled; echo 0abc"), InstanceName::default());
        assert_eq!(container(&settings, &name).start().await.expect("started"), "0abc");
        let calls = std::fs::read_to_string(dir.path().join("calls")).expect("calls");
        assert!(calls.starts_with("run -d --rm --name cellctl-local-default --label cellctl.nonce=n "), "{calls}");
        assert!(calls.contains(" -p 127.0.0.1:4599:4566 -e PROVIDER_OVERRIDE_DYNAMODB=v2 "), "{calls}");
        assert!(calls.trim_end().ends_with(IMAGE), "{calls}");
    }

    #[tokio::test]
    async fn only_the_recorded_container_is_stopped() {
        let dir = tempfile::tempdir().expect("dir");
        let settings = fake(dir.path(), "[ \"$1\" != ps ] || echo 0abc");
        assert!(!stop(&settings, "0def").await.expect("left alone"));
        assert!(stop(&settings, "0abc").await.expect("stopped"));
        let calls = std::fs::read_to_string(dir.path().join("calls")).expect("calls");
        assert!(calls.contains("stop -t 5 0abc") && !calls.contains("stop -t 5 0def"), "{calls}");
    }

    #[tokio::test]
    async fn a_missing_docker_and_a_stopped_daemon_are_told_apart() {
        let dir = tempfile::tempdir().expect("dir");
        let name = InstanceName::default();
        let script =
            "echo 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?' >&2; exit 1";
        let mut settings = fake(dir.path(), script);
        let error = container(&settings, &name).start().await.expect_err("no daemon");
        assert!(matches!(error, LocalError::NoDockerDaemon { .. }), "{error}");
        settings.docker = dir.path().join("nothing");
        let error = container(&settings, &name).start().await.expect_err("no docker");
        assert!(matches!(error, LocalError::NoDocker { .. }), "{error}");
        assert!(!is_running(&settings, "0abc").await.expect("no docker, no container"));
    }
}
