//! Runs one helper program to its end.
//!
//! Constraint kept: there is always a time limit, and output goes to a file, so memory does not grow with it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Bytes of output that are looked at; the end of it has the reason of a failure.
const TAIL_BYTES_MAX: u64 = 16 * 1024;

/// How a program ended.
pub(super) struct Finished {
    /// Whether its exit status was 0.
    pub(super) success: bool,
    /// The end of its standard output and error.
    pub(super) output: String,
}

/// Why a program has no exit status.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// There is no such program.
    NotFound,
    /// It took longer than allowed and was killed.
    TimedOut,
    /// It could not be run.
    Io(io::Error),
}

impl From<io::Error> for Unfinished {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::NotFound } else { Self::Io(error) }
    }
}

/// Runs `command` with both outputs appended to `log`.
pub(super) async fn run(mut command: Command, log: &File, limit: Duration) -> Result<Finished, Unfinished> {
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).kill_on_drop(true);
    let mut child = command.spawn()?;
    let Ok(status) = tokio::time::timeout(limit, child.wait()).await else {
        child.kill().await?;
        return Err(Unfinished::TimedOut);
    };
    Ok(Finished { success: status?.success(), output: tail(log)? })
}

/// Runs `command` and returns its output, of which nothing is kept on disk.
pub(super) async fn capture(command: Command, limit: Duration) -> Result<Finished, Unfinished> {
    run(command, &tempfile::tempfile()?, limit).await
}

/// The end of a file, as text.
pub(super) fn tail(mut file: &File) -> io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last `count` lines of a text that are not blank.
pub(super) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn output_and_status_are_reported() {
        let finished = capture(sh("echo out; echo err >&2; exit 3"), Duration::from_secs(10)).await.expect("runs");
        assert!(!finished.success);
        assert_eq!(last_lines(&finished.output, 2), "out\nerr");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_stopped_at_the_limit() {
        let ended = capture(sh("exec tail -f /dev/null"), Duration::from_millis(50)).await;
        assert!(matches!(ended, Err(Unfinished::TimedOut)));
    }

    #[tokio::test]
    async fn only_the_end_of_a_long_output_is_kept() {
        let finished =
            capture(sh("i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); done"), Duration::from_secs(10));
        let output = finished.await.expect("runs").output;
        assert!(output.len() as u64 <= TAIL_BYTES_MAX);
        assert_eq!(last_lines(&output, 1), "line 3999");
    }

    #[tokio::test]
    async fn a_missing_program_is_told_apart() {
        let ended = capture(Command::new("/nowhere/program"), Duration::from_secs(1)).await;
        assert!(matches!(ended, Err(Unfinished::NotFound)));
    }
}
