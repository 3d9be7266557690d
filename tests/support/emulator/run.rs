//! Running the program.
//!
//! Constraint kept: the environment is empty but for what a test names, so that nothing of the user's can lead it to a
//! real account; nothing runs longer than its time limit or survives its test.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::REGION;

/// No run takes longer than this.
const RUN_TIME_MAX: Duration = Duration::from_mins(3);

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// What it printed as data.
    pub(crate) stdout: String,
    /// Everything else that it printed.
    pub(crate) stderr: String,
}

impl Output {
    /// Fails the test unless the exit code is this one.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails the test unless this was said, on whichever stream.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "nothing says {text:?}\n{self}");
        self
    }

    /// Fails the test if this was said.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.stdout.contains(text) && !self.stderr.contains(text), "something says {text:?}\n{self}");
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("stdout is not JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// The program, with nothing of the caller's environment but where programs and the home are.
pub(super) fn program(dir: &Path, home: &Path, endpoint: &str, account: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cellctl"));
    clean(&mut command, dir, home, endpoint, account);
    command
}

/// Sets the clean environment.
pub(super) fn clean(command: &mut Command, dir: &Path, home: &Path, endpoint: &str, account: &str) {
    let path = std::env::vars_os().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default();
    command.env_clear().env("PATH", path).env("HOME", home).current_dir(dir);
    command.env("USER", "tester").env("HOSTNAME", "bench").env("AWS_REGION", REGION).env("AWS_ENDPOINT_URL", endpoint);
    command
        .env("AWS_ACCESS_KEY_ID", account)
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
}

/// The program while it runs.
pub(crate) struct Running {
    child: Child,
    pid: Pid,
    stdout: JoinHandle<String>,
    stderr: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Running {
    /// Starts it.
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("starts");
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)).expect("a process number");
        let stdout = tokio::spawn(read(child.stdout.take().expect("stdout")));
        let stderr = BufReader::new(child.stderr.take().expect("stderr")).lines();
        Self { child, pid, stdout, stderr, said: String::new() }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("it runs");
    }

    /// Waits until it has said this on stderr.
    pub(crate) async fn until_it_says(&mut self, text: &str) {
        while !self.said.contains(text) {
            let line = tokio::time::timeout(RUN_TIME_MAX, self.stderr.next_line()).await.expect("in time");
            let line =
                line.expect("readable").unwrap_or_else(|| panic!("it ended before it said {text:?}:\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
        }
    }

    /// Number of its process.
    #[allow(dead_code, reason = "the benchmark of moves asks for it")]
    pub(crate) fn pid(&self) -> String {
        self.pid.as_raw_nonzero().to_string()
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Output {
        self.end_within(RUN_TIME_MAX).await
    }

    /// The same, for a run that may take longer.
    pub(crate) async fn end_within(mut self, time_max: Duration) -> Output {
        let ended = async {
            while let Some(line) = self.stderr.next_line().await.expect("readable") {
                self.said.push_str(&line);
                self.said.push('\n');
            }
            let status = self.child.wait().await.expect("ended");
            let stdout = (&mut self.stdout).await.expect("read");
            Output { code: status.code(), stdout, stderr: std::mem::take(&mut self.said) }
        };
        tokio::time::timeout(time_max, ended).await.expect("it ends in time")
    }
}

async fn read(mut stream: ChildStdout) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    text
}
