//! Knows a process again, and ends it with all its children.
//!
//! Constraint kept: a process is signalled only when its birth is the recorded one. A number alone is not enough,
//! because the system gives it to another process later.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::process::Command;

use super::LocalError;
use super::command;

const POLL: Duration = Duration::from_millis(20);
const PS_LIMIT: Duration = Duration::from_secs(10);
/// The kernel ends a killed process at once, unless it waits for a disk.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// When the process was born, as text that is only compared; nothing when it is gone or a zombie.
pub(super) async fn birth_of(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        return birth_in_stat(&stat);
    }
    let mut command = Command::new("ps");
    command.args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).env("LC_ALL", "C").env("TZ", "UTC");
    let finished = command::capture(command, PS_LIMIT).await.ok()?;
    birth_in_ps(&finished.output)
}

/// From `pid (name) state ...`, see `proc_pid_stat(5)`: the name may hold anything, so its last bracket counts; the
/// start time is field 22 and the state field 3.
fn birth_in_stat(stat: &str) -> Option<String> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let is_dead = matches!(*fields.first()?, "Z" | "X");
    if is_dead { None } else { fields.get(19).map(|ticks| format!("ticks {ticks}")) }
}

/// From the state and the start time that `ps` prints.
fn birth_in_ps(output: &str) -> Option<String> {
    let (state, started) = output.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| started.trim().to_owned())
}

/// Asks the process and its group to end, and kills them when `grace` is over. Whether there was one to end.
pub(super) async fn stop(pid: u32, birth: &str, grace: Duration) -> Result<bool, LocalError> {
    if birth_of(pid).await.as_deref() != Some(birth) {
        return Ok(false);
    }
    signal_group(pid, Signal::TERM);
    let ended = is_gone_within(pid, birth, grace).await;
    // Also when it has ended: a worker in the group may have outlived it.
    signal_group(pid, Signal::KILL);
    if ended || is_gone_within(pid, birth, KILL_LIMIT).await { Ok(true) } else { Err(LocalError::Unkillable { pid }) }
}

/// Kills the process group that `pid` leads, at once.
pub(super) fn kill_group(pid: u32) {
    signal_group(pid, Signal::KILL);
}

async fn is_gone_within(pid: u32, birth: &str, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        reap(pid);
        if birth_of(pid).await.as_deref() != Some(birth) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Collects the process when it is a child of this one; otherwise there is nothing to collect.
fn reap(pid: u32) {
    if let Some(pid) = to_pid(pid) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// A group that is gone already is what was wanted, so the outcome does not matter; the caller looks afterwards.
fn signal_group(pid: u32, signal: Signal) {
    if let Some(pid) = to_pid(pid) {
        let _ = kill_process_group(pid, signal);
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    #[test]
    fn a_name_with_brackets_does_not_confuse() {
        let rest = "S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 8765 0";
        assert_eq!(birth_in_stat(&format!("7 (a) b) {rest}")).as_deref(), Some("ticks 8765"));
        assert_eq!(birth_in_stat(&format!("7 (x) {}", rest.replacen('S', "Z", 1))), None);
    }

    #[test]
    fn ps_is_read() {
        assert_eq!(birth_in_ps("Ss   Sun Nov  2 12:00:00 2025\n").as_deref(), Some("Sun Nov  2 12:00:00 2025"));
        assert_eq!(birth_in_ps("Z+ Sun Nov  2 12:00:00 2025\n"), None);
        assert_eq!(birth_in_ps(""), None);
    }

    #[tokio::test]
    async fn only_the_process_with_the_recorded_birth_is_ended() {
        let mut child = std::process::Command::new("tail");
        let mut child = child.args(["-f", "/dev/null"]).process_group(0).spawn().expect("spawn");
        let birth = birth_of(child.id()).await.expect("alive");
        assert!(!stop(child.id(), "ticks 1", GRACE).await.expect("left alone"));
        assert!(child.try_wait().expect("status").is_none(), "a process with another birth was ended");
        assert!(stop(child.id(), &birth, GRACE).await.expect("ended"));
        assert_eq!(birth_of(child.id()).await, None);
        assert!(!stop(child.id(), &birth, GRACE).await.expect("gone already"));
        let _ = child.wait();
    }
}
