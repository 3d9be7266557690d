//! A user's command: run, listened to, and ended in time.
//!
//! Constraint kept: it has a process group of its own, which is killed as a whole when the command ends, takes too long, or
//! nobody waits for it any more. What leaves the group by itself (`setsid`) is out of reach.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use crate::ports::rollout::{NoAnswer, Ran};

use super::tail::Tail;

/// Bytes that are read at a time.
const CHUNK: usize = 8 << 10;
/// Reads after the end of the command: what a pipe holds at the most, 1 MiB (`/proc/sys/fs/pipe-max-size`).
const READS_AFTER_MAX: usize = (1 << 20) / CHUNK;

/// The processes of a command. Killed when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // None is left where the command has cleaned up after itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a program in a directory, with more environment than this process has.
pub(super) async fn run(
    directory: &Path,
    program: &[String],
    environment: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<Ran, NoAnswer> {
    let [name, arguments @ ..] = program else { return Err(NoAnswer::Failed("there is no program to run".to_owned())) };
    let failed = |what: &str, error: &io::Error| NoAnswer::Failed(format!("{name} {what}: {error}"));
    let mut command = Command::new(resolve(directory, name));
    command.args(arguments).current_dir(directory).envs(environment);
    let (child, output) = spawn(command).map_err(|error| failed("could not be started", &error))?;
    let mut tail = Tail::default();
    match tokio::time::timeout(timeout, listen(child, &output, &mut tail)).await {
        Err(_) => Err(NoAnswer::TimedOut),
        Ok(Err(error)) => Err(failed("broke off", &error)),
        Ok(Ok(status)) => {
            drain(&output, &mut tail);
            Ok(Ran { code: status.code(), last_line: tail.finish() })
        }
    }
}

/// A name with a slash is looked for in the directory, one without along `PATH`.
fn resolve(directory: &Path, name: &str) -> PathBuf {
    if name.contains('/') { directory.join(name) } else { PathBuf::from(name) }
}

/// Starts it. Both of its outputs go into one pipe, so that they stay in their order.
fn spawn(mut command: Command) -> io::Result<(Child, Receiver)> {
    let (output, input) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input).process_group(0).kill_on_drop(true);
    let child = command.spawn()?;
    // The command holds this end of the pipe: without it the pipe ends with the processes.
    drop(command);
    Ok((child, Receiver::from_owned_fd(OwnedFd::from(output))?))
}

/// Reads until the command has ended; then, or when this is given up, all of its processes are killed.
async fn listen(mut child: Child, output: &Receiver, tail: &mut Tail) -> io::Result<ExitStatus> {
    let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let mut open = true;
    loop {
        tokio::select! {
            ended = child.wait() => return ended,
            ready = output.readable(), if open => {
                ready?;
                open = read(output, tail).unwrap_or_else(|error| error.kind() == ErrorKind::WouldBlock);
            }
        }
    }
}

/// Reads what the pipe still holds, without waiting for more.
fn drain(output: &Receiver, tail: &mut Tail) {
    for _ in 0..READS_AFTER_MAX {
        if !read(output, tail).unwrap_or(false) {
            return;
        }
    }
}

/// One read; false at the end of the output.
fn read(output: &Receiver, tail: &mut Tail) -> io::Result<bool> {
    let mut chunk = [0; CHUNK];
    let length = output.try_read(&mut chunk)?;
    tail.push(&chunk[..length]);
    Ok(length > 0)
}
